import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createAddressClaim } from "../../src/address-claim.ts";
import { parseIpv4 } from "../../src/base/ip.ts";
import { parseIpv6 } from "../../src/base/ipv6.ts";
import type { Lease } from "../../src/subnet/lease.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { dualLease, hostNumber } from "../support/dual-stack.ts";
import { leaseOf } from "../support/leases.ts";
import { createScriptedStore } from "../support/scripted-store.ts";

const { signal } = new AbortController();
const NEXT = parseIpv4("192.168.64.3");
const SELF = { subnet: "10.5.52.0/24", publicIp: "192.168.64.2", nodeId: "aa" };
const RIVAL = { subnet: "10.5.9.0/24", publicIp: "192.168.64.3", nodeId: "bb" };

function start(rival: Lease | null, self = leaseOf(SELF)) {
  const clock = createFakeClock();
  const store = createScriptedStore({ clock });
  if (rival) store.put(rival);
  const table = () => ({ leases: new Map(store.leases().map((lease) => [lease.key, lease])) });
  const claim = createAddressClaim({ store, clock, table, self: () => self });
  const moved = { publicIp: NEXT, publicIpv6: null };
  return { clock, store, ask: (address: Parameters<typeof claim>[0] = moved) => claim(address, signal) };
}

describe("announcing another public IP", () => {
  it("needs no question when no record has it, or our own", async () => {
    assert.equal(await start(null).ask(), null);
    const own = leaseOf({ ...SELF, publicIp: NEXT });
    assert.equal(await start(own, own).ask(), null);
  });

  it("is refused when the record that has it says no id, as a Go daemon's, or we have none", async () => {
    const { nodeId: _, ...nameless } = RIVAL;
    const host = start(leaseOf(nameless));
    assert.match((await host.ask()) ?? "", /192\.168\.64\.3 is the public IP of another host .*10\.5\.9\.0\/24/);
    assert.equal(host.store.count("renew"), 0);
    const { nodeId: __, ...anonymous } = SELF;
    assert.match((await start(leaseOf(RIVAL), leaseOf(anonymous)).ask()) ?? "", /node id bb/);
  });

  it("is refused when the other host answers, which is asked once and again only after its record has changed", async () => {
    const host = start(leaseOf(RIVAL));
    const ask = async () => {
      const answer = host.ask();
      await host.clock.advance(500);
      const challenged = host.store.leases()[0];
      if (challenged?.attrs.challenger)
        host.store.put({ ...challenged, attrs: { ...challenged.attrs, challenger: null } });
      await host.clock.advance(25_000);
      return answer;
    };
    assert.match((await ask()) ?? "", /node id bb/);
    assert.equal(host.store.count("renew"), 1);
    assert.match((await ask()) ?? "", /node id bb/);
    assert.equal(host.store.count("renew"), 1);
    host.store.put(leaseOf(RIVAL));
    assert.match((await ask()) ?? "", /node id bb/);
    assert.equal(host.store.count("renew"), 2);
  });

  it("is allowed when the other host does not answer for 20 s, and its record stays", async () => {
    const host = start(leaseOf(RIVAL));
    const answer = host.ask();
    await host.clock.advance(21_000);
    assert.equal(await answer, null);
    assert.equal(host.store.leases()[0]?.attrs.nodeId, "bb");
  });

  it("looks at each family that has changed: a new IPv6 address beside an IPv4 one that stays is asked for, too", async () => {
    const own = dualLease(hostNumber(52, { nodeId: "aa" }));
    const rival = dualLease(hostNumber(9, { nodeId: "bb", v6: "fd00:5:0:9::/64" }));
    const host = start(rival, own);
    const next = { publicIp: own.attrs.publicIp, publicIpv6: rival.attrs.publicIpv6 };
    host.store.before((call) => {
      if (call === "renew") host.store.disconnect();
    });
    assert.match((await host.ask(next)) ?? "", /^fd77::9 is the public IP of another host \(node id bb\).* not known/);
    const unasked = start(rival, own);
    assert.equal(await unasked.ask(own.attrs), null);
    assert.equal(await unasked.ask({ ...own.attrs, publicIpv6: parseIpv6("fd77::53") }), null);
    assert.equal(unasked.store.count("renew"), 0);
  });

  it("is put off while etcd does not answer", async () => {
    const host = start(leaseOf(RIVAL));
    host.store.disconnect();
    assert.match((await host.ask()) ?? "", /is not known/);
  });
});
