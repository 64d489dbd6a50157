import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createHistogram } from "../../../src/base/histogram.ts";

describe("a histogram", () => {
  it("counts in each bucket all that were at most its bound", () => {
    const histogram = createHistogram([1, 10]);
    for (const value of [0.5, 1, 2, 11]) histogram.observe(value);
    assert.deepEqual(histogram.read(), {
      buckets: [
        { upTo: 1, count: 2 },
        { upTo: 10, count: 3 },
      ],
      count: 4,
      sum: 14.5,
    });
  });

  it("gives what it was when it was read", () => {
    const histogram = createHistogram([1]);
    const before = histogram.read();
    histogram.observe(1);
    assert.equal(before.count, 0);
    assert.equal(before.buckets[0]?.count, 0);
  });
});
