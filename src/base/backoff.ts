// Pauses with jitter, so that a cluster does nothing in step: between attempts, doubling and capped, and between looks at
// an interval.

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
    yield drawPause(millis(upper), options.random);
    upper = Math.min(upper * 2, options.max);
  }
}

/** Drawn from [d/2, d]: the time of its own that a host has for what all hosts do at an interval. */
export function drawPause(interval: Millis, random: Random): Millis {
  return millis(random.integer(Math.ceil(interval / 2), interval));
}
