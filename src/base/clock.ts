// The only place that reads the time or sets a timer. Everything that waits takes a Clock, so tests decide what time is.

import { uptime } from "node:os";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import type { EpochMillis, Millis } from "./brand.ts";

export interface Clock {
  now(): EpochMillis;
  /** Milliseconds on a clock that never goes back, and that stands still while the machine sleeps. */
  monotonic(): Millis;
  /** The same on a clock that goes on while the machine sleeps; to 10 ms. */
  boottime(): Millis;
  /** Resolves after the duration; rejects with the signal's reason when aborted first. */
  sleep(duration: Millis, signal: AbortSignal): Promise<void>;
}

/** Node: a longer timer fires at once (32-bit milliseconds), so long sleeps are taken in pieces. */
const LONGEST_TIMER = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now() as EpochMillis,
  monotonic: () => performance.now() as Millis,
  // Node: seconds of CLOCK_BOOTTIME, from /proc/uptime.
  boottime: () => (uptime() * 1000) as Millis,
  async sleep(duration, signal) {
    let left: number = duration;
    do {
      const piece = Math.min(left, LONGEST_TIMER);
      await delay(piece, undefined, { signal }).catch((error: unknown) => {
        signal.throwIfAborted();
        throw error;
      });
      left -= piece;
    } while (left > 0);
  },
};

/** In real time, as a server's connections are. Keeps no process alive; disposal stops it. */
export function startTimer(duration: Millis, ring: () => void): Disposable {
  const timer = setTimeout(ring, duration).unref();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
