import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { millis } from "../../../src/base/brand.ts";
import { formatDuration } from "../../../src/base/duration.ts";

describe("a duration", () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, "0s"],
    [3, "3ms"],
    [999, "999ms"],
    [1000, "1s"],
    [2549, "2.5s"],
    [9999, "9.9s"],
    [10_900, "10s"],
    [59_999, "59s"],
    [60_000, "1m00s"],
    [900_000, "15m00s"],
    [3_599_000, "59m59s"],
    [3_600_000, "1h00m"],
    [86_399_000, "23h59m"],
    [360_000_000, "100h00m"],
  ];
  for (const [duration, text] of cases) {
    it(`of ${duration} ms is ${text}`, () => assert.equal(formatDuration(millis(duration)), text));
  }
});
