import assert from "node:assert/strict";
import { it } from "node:test";
import { minutes, seconds } from "../../src/base/brand.ts";
import { createWorld } from "./world.ts";

it("a lease whose renewal has failed is renewed as soon as etcd answers again, not when it is tried again anyway", async () => {
  const world = createWorld(1, 1, "vxlan");
  const [host] = world.hosts;
  assert.ok(host);
  host.start();
  await world.clock.advance(minutes(10));
  const renewals = () => host.log.messages().filter((message) => message === "renewed the lease").length;
  // Ten times: the pauses between attempts are drawn, and one may end just then.
  for (let day = 1; day <= 10; day++) {
    await world.clock.advance(minutes(22 * 60));
    world.store.disconnect();
    await world.clock.advance(minutes(90));
    const before = renewals();
    world.store.connect();
    await world.clock.advance(seconds(1));
    assert.equal(renewals(), before + 1, `after ${day} days`);
  }
  await world.end();
});
