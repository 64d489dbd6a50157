import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createAllowance } from "../../../src/base/allowance.ts";
import { seconds } from "../../../src/base/brand.ts";
import { createSparingLog } from "../../../src/base/sparing-log.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

const OPTIONS = { burst: 3, every: seconds(10) };

describe("an allowance", () => {
  it("is some times at once, then once in a while, and whole again after a rest", async () => {
    const clock = createFakeClock();
    const allowance = createAllowance(OPTIONS, clock);
    const takeAtOnce = () => {
      let count = 0;
      for (; allowance.wait() === 0; count++) allowance.take();
      return count;
    };
    assert.equal(takeAtOnce(), 3);
    assert.equal(allowance.wait(), seconds(10));
    await clock.advance(seconds(4));
    assert.equal(allowance.wait(), seconds(6));
    await clock.advance(seconds(6));
    assert.equal(takeAtOnce(), 1);
    await clock.advance(seconds(1000));
    assert.equal(takeAtOnce(), 3);
  });
});

describe("a sparing log", () => {
  it("writes each message some times, then once in a while with how many like it were not written", async () => {
    const clock = createFakeClock();
    const log = createCapturedLog();
    const sparing = createSparingLog(log, OPTIONS, clock);
    for (let count = 0; count < 5; count++) sparing.warn("again", { count });
    sparing.info("something else");
    await clock.advance(seconds(10));
    sparing.warn("again", { count: 5 });
    assert.deepEqual(
      log.lines.map(({ level, message, fields }) => [level, message, fields]),
      [
        ["warn", "again", { count: 0 }],
        ["warn", "again", { count: 1 }],
        ["warn", "again", { count: 2 }],
        ["info", "something else", {}],
        ["warn", "again", { count: 5, unsaid: 2 }],
      ],
    );
  });
});
