// Which fault comes when, where and for how long: the same from the same seed. Pure.

import { type Millis, millis } from "../src/base/brand.ts";
import type { Random } from "../src/base/random.ts";
import { createSeededRandom } from "../test/fakes/seeded-random.ts";

/** What a schedule must know of a fault. */
export interface Schedulable {
  /** The shortest and the longest time that it lasts before it is undone. */
  readonly lasts: readonly [Millis, Millis];
}

export interface Step<F extends Schedulable> {
  readonly fault: F;
  /** The host that it hits, from 0; a fault of all hosts or of none ignores it. */
  readonly host: number;
  readonly duration: Millis;
}

/** Without end. Every fault has its turn before one comes again, in a new order each time. */
export function* planSchedule<F extends Schedulable>(
  faults: readonly F[],
  hosts: number,
  seed: number,
): Generator<Step<F>, never> {
  if (faults.length === 0) throw new Error("a schedule needs a fault");
  const random = createSeededRandom(seed);
  for (;;) {
    for (const fault of shuffle(faults, random)) {
      const [shortest, longest] = fault.lasts;
      yield { fault, host: random.integer(0, hosts - 1), duration: millis(random.integer(shortest, longest)) };
    }
  }
}

/** Fisher-Yates. */
function shuffle<T>(items: readonly T[], random: Random): readonly T[] {
  const shuffled = [...items];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = random.integer(0, last);
    [shuffled[last], shuffled[other]] = [shuffled[other] as T, shuffled[last] as T];
  }
  return shuffled;
}
