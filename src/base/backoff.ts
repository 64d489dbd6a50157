// Delays between attempts: doubling, capped, with jitter so that a cluster does not retry in step.

import { type Millis, millis } from "./brand.ts";
import type { Random } from "./random.ts";

/** An endless sequence: each delay is drawn from [d/2, d], where d doubles from `first` to `max`. */
export function* delays(options: {
  readonly first: Millis;
  readonly max: Millis;
  readonly random: Random;
}): Generator<Millis, never> {
  let upper: number = options.first;
  for (;;) {
    yield millis(options.random.integer(Math.ceil(upper / 2), upper));
    upper = Math.min(upper * 2, options.max);
  }
}
