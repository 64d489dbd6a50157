import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seconds } from "../../../src/base/brand.ts";
import { createPropagation } from "../../../src/status/propagation.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

describe("the time until a change of the leases is in the kernel", () => {
  it("counts from the first change of a burst to the pass that made the kernel so", async () => {
    const clock = createFakeClock();
    const propagation = createPropagation(clock);
    propagation.changed();
    await clock.advance(seconds(1));
    propagation.changed();
    propagation.planned();
    await clock.advance(seconds(1));
    propagation.passed(true);
    assert.deepEqual([propagation.read().count, propagation.read().sum], [1, 2]);
  });

  it("goes on through passes that fail, and takes what comes meanwhile for another", async () => {
    const clock = createFakeClock();
    const propagation = createPropagation(clock);
    propagation.changed();
    propagation.planned();
    propagation.changed();
    await clock.advance(seconds(3));
    propagation.passed(false);
    assert.equal(propagation.read().count, 0);
    propagation.planned();
    propagation.passed(true);
    assert.deepEqual([propagation.read().count, propagation.read().sum], [1, 3]);
  });

  it("is not counted for passes that no change has asked for", () => {
    const propagation = createPropagation(createFakeClock());
    propagation.planned();
    propagation.passed(true);
    assert.equal(propagation.read().count, 0);
  });
});
