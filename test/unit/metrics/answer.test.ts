import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMetrics } from "../../../src/metrics/answer.ts";
import type { StatusRequest } from "../../../src/status/collect.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { snapshotOf } from "../../support/snapshots.ts";

function start() {
  const clock = createFakeClock();
  const requests: StatusRequest[] = [];
  const status = async (request: StatusRequest) => {
    requests.push(request);
    return snapshotOf();
  };
  return { clock, requests, metrics: createMetrics(status, clock) };
}

describe("the answer to /metrics", () => {
  it("has what is counted of the peers read only with a series for each", async () => {
    const { requests, metrics } = start();
    assert.doesNotMatch(await metrics({ peers: false }), /flannel_peer_programmed/);
    assert.deepEqual(requests, [{ peers: false }]);
    assert.match(await metrics({ peers: true }), /flannel_peer_programmed/);
    assert.deepEqual(requests, [{ peers: false }, { peers: true }]);
  });

  it("is shared by all who ask the same within a second", async () => {
    const { clock, requests, metrics } = start();
    const [first, second] = await Promise.all([metrics({ peers: true }), metrics({ peers: true })]);
    assert.equal(first, second);
    assert.equal(requests.length, 1);
    await clock.advance(1000);
    await metrics({ peers: true });
    assert.equal(requests.length, 2);
  });
});
