import assert from "node:assert/strict";
import { it } from "node:test";
import { minutes, seconds } from "../../src/base/brand.ts";
import { createWorld } from "./world.ts";

it("a daemon on a host that does not forward is ready, and says what is missing for as long as it is", async () => {
  const world = createWorld(1, 1, "vxlan");
  const [host] = world.hosts;
  assert.ok(host);
  host.forwards = false;
  host.start();
  await world.clock.advance(minutes(3));
  assert.deepEqual(await host.faults(), []);
  assert.match(host.degraded().join(), /^forwarding: net\.ipv4\.ip_forward is 0/);
  host.forwards = true;
  await world.clock.advance(minutes(2));
  assert.deepEqual(host.degraded(), []);
  await world.end();
});

it("a daemon that is asked tells that its host forwards no longer, with what mends it", async () => {
  const world = createWorld(1, 1, "vxlan");
  const [host] = world.hosts;
  assert.ok(host);
  host.start();
  await world.clock.advance(minutes(3) + 10_000);
  const told = async () => (await host.ask())?.degraded.find(({ name }) => name === "forwarding") ?? null;
  assert.deepEqual(await told(), { name: "forwarding", reason: null, remedy: null, command: null });
  host.forwards = false;
  await world.clock.advance(seconds(2));
  assert.deepEqual(host.degraded(), [], "nobody has asked");
  const found = await told();
  const command = "sysctl -w net.ipv4.ip_forward=1";
  assert.deepEqual([found?.remedy, found?.command], [command, command]);
  assert.equal((await host.ask())?.state, "degraded");
  await world.end();
});
