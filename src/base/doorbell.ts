// A coalescing wake-up that cannot be lost: rings while nobody waits are kept, rings during handling are answered by
// the next wait.

import { addAbortListener } from "node:events";
import { type Millis, millis } from "./brand.ts";
import type { Clock } from "./clock.ts";
import { childSignal } from "./signals.ts";

export interface Doorbell {
  ring(reason: string): void;
  /** Resolves with every reason rung since the last wait; rejects with the signal's reason on abort. */
  wait(signal: AbortSignal): Promise<ReadonlySet<string>>;
  /** Forgets what was rung until now: whoever is about to look sees that anyway. */
  silence(): void;
}

export function createDoorbell(): Doorbell {
  let reasons = new Set<string>();
  let wake = () => {};
  return {
    ring(reason) {
      reasons.add(reason);
      wake();
    },
    async wait(signal) {
      signal.throwIfAborted();
      if (reasons.size === 0) {
        await untilWoken(signal, (resolve) => {
          wake = resolve;
        });
        wake = () => {};
      }
      const rung = reasons;
      reasons = new Set();
      return rung;
    },
    silence() {
      reasons.clear();
    },
  };
}

async function untilWoken(signal: AbortSignal, arm: (resolve: () => void) => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const listener = addAbortListener(signal, () => reject(signal.reason));
    arm(() => {
      listener[Symbol.dispose]();
      resolve();
    });
  });
}

/** What a wait that lasted as long as it may resolves with. */
export const TIMER = "timer";

/** Like `bell.wait`, but rings it with TIMER when nobody else did within the limit. */
export async function waitAtMost(
  limit: Millis,
  bell: Doorbell,
  clock: Clock,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  using timer = childSignal(signal);
  clock.sleep(limit, timer.signal).then(
    () => bell.ring(TIMER),
    () => {},
  );
  try {
    return await bell.wait(signal);
  } finally {
    timer.abort();
  }
}

/** When a burst of rings is over: after `quiet` without any, and at `latest` whatever rings. */
export interface BurstEnd {
  readonly quiet: Millis;
  readonly latest: Millis;
}

/** Resolves when a burst is over; what has rung in it is answered by whatever comes next. */
export async function waitOutBurst(
  { quiet, latest }: BurstEnd,
  bell: Doorbell,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const end = clock.monotonic() + latest;
  for (let left: number = latest; left > 0; left = end - clock.monotonic()) {
    const rung = await waitAtMost(millis(Math.min(quiet, left)), bell, clock, signal);
    if (rung.has(TIMER)) return;
  }
}
