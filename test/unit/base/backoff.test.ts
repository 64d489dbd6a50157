import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { delays, drawPause } from "../../../src/base/backoff.ts";
import { millis } from "../../../src/base/brand.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";

test("each delay lies between half and all of a bound that doubles up to the maximum", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 60_000 }),
      (seed, first, extra) => {
        const max = first + extra;
        const sequence = delays({ first: millis(first), max: millis(max), random: createSeededRandom(seed) });
        let bound = first;
        for (let turn = 0; turn < 30; turn++) {
          const delay = sequence.next().value;
          assert.ok(delay >= bound / 2 && delay <= bound, `${delay} of ${bound}`);
          bound = Math.min(bound * 2, max);
        }
      },
    ),
  );
});

test("two hosts with different luck do not retry in step", () => {
  const take = (seed: number) => {
    const sequence = delays({ first: millis(1000), max: millis(60_000), random: createSeededRandom(seed) });
    return Array.from({ length: 5 }, () => sequence.next().value);
  };
  assert.notDeepEqual(take(1), take(2));
});

test("a pause is drawn from half of the interval on", () => {
  const random = createSeededRandom(7);
  const pauses = Array.from({ length: 200 }, () => drawPause(millis(101), random));
  assert.ok(Math.min(...pauses) >= 51 && Math.max(...pauses) <= 101);
  assert.ok(new Set(pauses).size > 25);
});
