import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { shareMetrics } from "../../../src/metrics/share.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

describe("shareMetrics()", () => {
  it("makes one answer for all who wait, and another when that is a second old", async () => {
    const clock = createFakeClock();
    let made = 0;
    const metrics = shareMetrics(async ({ peers }) => `${peers} ${++made}`, clock);
    const peers = { peers: true };
    assert.deepEqual(await Promise.all([metrics(peers), metrics(peers)]), ["true 1", "true 1"]);
    assert.equal(await metrics({ peers: false }), "false 2");
    await clock.advance(999);
    assert.equal(await metrics(peers), "true 1");
    await clock.advance(1);
    assert.equal(await metrics(peers), "true 3");
  });

  it("has no second one made while the first takes its time", async () => {
    const clock = createFakeClock();
    const finish: ((text: string) => void)[] = [];
    const metrics = shareMetrics(() => new Promise((resolve) => finish.push(resolve)), clock);
    const first = metrics({ peers: true });
    await clock.advance(5000);
    const second = metrics({ peers: true });
    assert.equal(finish.length, 1);
    finish[0]?.("x");
    assert.deepEqual(await Promise.all([first, second]), ["x", "x"]);
  });

  it("keeps no failure", async () => {
    let isBroken = true;
    const metrics = shareMetrics(async () => {
      if (isBroken) throw new Error("broken");
      return "fine";
    }, createFakeClock());
    await assert.rejects(metrics({ peers: true }), /broken/);
    isBroken = false;
    assert.equal(await metrics({ peers: true }), "fine");
  });
});
