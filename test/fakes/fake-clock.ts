// A clock that stands still until the test moves it. Moving it fires due timers one by one, in order, and gives the
// program a whole macrotask after each, so that no test counts microtasks.

import { addAbortListener } from "node:events";
import { type EpochMillis, type Millis, millis } from "../../src/base/brand.ts";
import type { Clock } from "../../src/base/clock.ts";

export interface FakeClock extends Clock {
  /** Lets this much time pass. Timers that are set on the way and fall due on the way fire too. */
  advance(duration: number): Promise<void>;
  /** The machine sleeps: the time goes on, timers stand still. */
  suspend(duration: number): void;
  /** Somebody sets the clock on the wall, forwards or back; nothing else notices. */
  setWallClock(by: number): void;
  /** How many sleeps have not ended. */
  sleepers(): number;
  /** How long until the next one ends; null when nobody sleeps. */
  untilNext(): Millis | null;
}

interface Timer {
  readonly due: number;
  readonly fire: () => void;
}

/** An ordinary moment in the past, so that formatted times are stable. */
const START = Date.UTC(2024, 0, 1);

export function createFakeClock(start: number = START): FakeClock {
  let [elapsed, asleep, stepped] = [0, 0, 0];
  const timers = new Set<Timer>();
  const next = (): Timer | null => {
    let first: Timer | null = null;
    for (const timer of timers) {
      if (first === null || timer.due < first.due) first = timer;
    }
    return first;
  };
  return {
    now: () => (start + elapsed + asleep + stepped) as EpochMillis,
    monotonic: () => millis(elapsed),
    boottime: () => millis(elapsed + asleep),
    suspend: (duration) => {
      asleep += duration;
    },
    setWallClock: (by) => {
      stepped += by;
    },
    sleep: (duration, signal) => sleepUntil(elapsed + duration, timers, signal),
    async advance(duration) {
      const end = elapsed + duration;
      await macrotask();
      for (let timer = next(); timer !== null && timer.due <= end; timer = next()) {
        elapsed = Math.max(elapsed, timer.due);
        timers.delete(timer);
        timer.fire();
        await macrotask();
      }
      elapsed = end;
      await macrotask();
    },
    sleepers: () => timers.size,
    untilNext() {
      const first = next();
      return first && millis(Math.max(0, first.due - elapsed));
    },
  };
}

async function sleepUntil(due: number, timers: Set<Timer>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const timer: Timer = {
      due,
      fire() {
        listener[Symbol.dispose]();
        resolve();
      },
    };
    timers.add(timer);
    const listener = addAbortListener(signal, () => {
      timers.delete(timer);
      reject(signal.reason);
    });
  });
}

function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
