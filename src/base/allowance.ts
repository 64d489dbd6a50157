// How often something may happen: some times at once, and then once in a while, however often it is called for.

import { type Millis, millis } from "./brand.ts";
import type { Clock } from "./clock.ts";

export interface Allowance {
  /** Until the next may happen; 0 when it may now. */
  wait(): Millis;
  /** One happens. */
  take(): void;
}

export interface AllowanceOptions {
  /** So many at once. */
  readonly burst: number;
  /** One more after each of these, up to `burst`. */
  readonly every: Millis;
}

export function createAllowance({ burst, every }: AllowanceOptions, clock: Pick<Clock, "monotonic">): Allowance {
  /** When as many may happen at once as at the beginning. */
  let whole = Number.NEGATIVE_INFINITY;
  return {
    wait: () => millis(Math.max(0, whole - (burst - 1) * every - clock.monotonic())),
    take() {
      whole = Math.max(whole, clock.monotonic()) + every;
    },
  };
}
