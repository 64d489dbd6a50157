import assert from "node:assert/strict";
import { it } from "node:test";
import { seconds } from "../../src/base/brand.ts";
import { known } from "../../src/check/facts.ts";
import { createWorld } from "./world.ts";

const DROP = JSON.stringify({
  nftables: [
    { chain: { family: "inet", table: "fw", name: "c", handle: 1, type: "filter", hook: "forward", policy: "drop" } },
  ],
});

it("a daemon that is asked tells what others have decided on its host a moment ago, with what mends it, and that it is over", async () => {
  const world = createWorld(1, 2, "vxlan");
  for (const host of world.hosts) host.start();
  await world.clock.advance(seconds(10));
  const [host] = world.hosts;
  assert.ok(host);
  const told = async () => (await host.ask())?.degraded.find(({ name }) => name === "forward-rules") ?? null;
  assert.deepEqual(await told(), { name: "forward-rules", reason: null, remedy: null, command: null });
  host.sight.answers.rules = async () => known({ iptables: {}, nftables: DROP });
  await world.clock.advance(seconds(4));
  assert.deepEqual(host.degraded(), [], "nobody has asked");
  const found = await told();
  assert.match(found?.reason ?? "", /^the nftables chain inet fw c drops what is forwarded/);
  assert.match(found?.remedy ?? "", /^nft add rule inet fw c ip saddr 10\.5\.0\.0\/16 accept;/);
  assert.equal((await host.ask())?.state, "degraded");
  assert.equal(host.degraded().length, 1);
  host.sight.answers.rules = async () => known({ iptables: {}, nftables: null });
  await world.clock.advance(seconds(4));
  assert.equal((await told())?.reason, null);
  assert.deepEqual(host.degraded(), []);
  await world.end();
});
