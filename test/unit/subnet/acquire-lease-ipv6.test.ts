import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createVxlan } from "../../../src/backends/vxlan.ts";
import { minutes } from "../../../src/base/brand.ts";
import type { Prefix4 } from "../../../src/base/ip.ts";
import type { Prefix6 } from "../../../src/base/ipv6.ts";
import { type AcquireRequest, acquireLease } from "../../../src/subnet/acquire-lease.ts";
import type { NodeId } from "../../../src/subnet/lease.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { DUAL_NETWORK, DUAL_UNDERLAY, dualLease, hostNumber, ipv4Only } from "../../support/dual-stack.ts";
import { createScriptedStore } from "../../support/scripted-store.ts";
import { MARK } from "../../support/vxlan-host.ts";

const { signal } = new AbortController();
const ID = "aa" as NodeId;

function start() {
  const clock = createFakeClock();
  const store = createScriptedStore({ clock });
  const log = createCapturedLog();
  const random = createSeededRandom(1);
  const { publicIp } = DUAL_UNDERLAY;
  const request: AcquireRequest = {
    network: DUAL_NETWORK,
    self: { nodeId: ID, publicIp, publicIpv6: DUAL_UNDERLAY.v6?.publicIp ?? null },
    recall: () => null,
    list: null,
    isAway: false,
    addresses: new Set(),
    previous: { v4: null, v6: null },
    advertise: (own) => createVxlan({}).advertise({ underlay: DUAL_UNDERLAY, links: [], mark: MARK, own, random }),
    ttl: minutes(24 * 60),
  };
  const deps = { store, clock, random, log, onWaiting: () => {}, onList: () => {} };
  return {
    clock,
    store,
    log,
    acquire: (changes: Partial<AcquireRequest> = {}) => acquireLease({ ...request, ...changes }, deps, signal),
  };
}

const BEFORE = ipv4Only(hostNumber(52));

describe("acquiring a lease in a network that was given IPv6", () => {
  it("replaces the record of before by one of both families, with the IPv4 subnet and the MAC that peers know", async () => {
    const { store, acquire, log } = start();
    store.put(dualLease(BEFORE));
    const { lease } = await acquire();
    assert.equal(lease.key, "10.5.52.0-24&fd00:5:0:34::-64");
    assert.deepEqual(lease.attrs.backendData, { VNI: 1, VtepMAC: BEFORE.mac });
    assert.match(JSON.stringify(lease.attrs.backendV6Data), /VtepMAC/);
    assert.deepEqual(store.leases(), [lease]);
    assert.deepEqual(store.calls, ["list", "rekey", "census"]);
    const { message, fields } = log.lines.at(-1) ?? assert.fail();
    assert.equal(message, "the lease of this host has another subnet");
    assert.deepEqual([fields.subnet, fields.former], ["10.5.52.0/24 and fd00:5:0:34::/64", "10.5.52.0/24"]);
    assert.equal(fields.reason, "the network config asks for it");
  });

  it("gives other records of its own back once that has been done", async () => {
    const { store, acquire, log } = start();
    store.put(dualLease(BEFORE));
    const other = store.put(dualLease(hostNumber(52, { v4: "10.9.52.0/24", v6: "fd00:5:0:34::/64" })));
    const { lease } = await acquire();
    assert.equal(lease.subnet.v4, "10.5.52.0/24");
    assert.notEqual(lease.subnet.v6, other.subnet.v6);
    assert.deepEqual(store.leases(), [lease]);
    assert.deepEqual(log.messages("warn"), ["gave back a lease that no longer fits the network config"]);
  });

  for (const when of ["claim", "census"] as const) {
    it(`gets another IPv6 subnet if a host got the same one first, and keeps it if not: seen at the ${when}`, async () => {
      const { clock, store, acquire, log } = start();
      const rival = () => store.leases().find(({ attrs }) => attrs.publicIp === "192.168.64.9");
      const previous = { v4: "10.5.52.0/24" as Prefix4, v6: "fd00:5:0:77::/64" as Prefix6 };
      store.before((call) => {
        if (call === when && !rival()) store.put(dualLease(hostNumber(9, { v6: previous.v6 })));
      });
      const acquired = acquire({ previous });
      await clock.advance(10_000);
      const { lease } = await acquired;
      assert.equal(lease.subnet.v4, previous.v4);
      assert.equal(lease.subnet.v6 === previous.v6, when === "census");
      assert.equal(rival()?.subnet.v6, previous.v6);
      assert.deepEqual(
        store.leases().filter(({ key }) => key !== rival()?.key),
        [lease],
      );
      const reasons = log.lines.flatMap(({ fields }) => fields.reason ?? []);
      assert.deepEqual(reasons, when === "claim" ? ["the host 192.168.64.9 had the IPv6 subnet first"] : []);
    });
  }

  it("goes on with IPv4 when no other IPv6 subnet is free", async () => {
    const { clock, store, acquire } = start();
    store.put(dualLease(hostNumber(1, { v6: "fd00:5::/48" })));
    store.put(dualLease(hostNumber(2, { v6: "fd00:5:0:77::/64" })));
    const own = store.put(dualLease(hostNumber(52, { v6: "fd00:5:0:77::/64", nodeId: ID })));
    const acquired = acquire();
    await clock.advance(10_000);
    assert.equal((await acquired).lease.key, own.key);
  });

  it("looks again when the record is rewritten in that moment", async () => {
    const { clock, store, acquire } = start();
    store.put(dualLease(BEFORE));
    let isFirst = true;
    store.before((call) => {
      if (call !== "rekey" || !isFirst) return;
      isFirst = false;
      store.put(dualLease({ ...BEFORE, mac: "02:00:00:00:00:99" }));
    });
    const acquired = acquire();
    await clock.advance(10_000);
    const { lease } = await acquired;
    assert.deepEqual(lease.attrs.backendData, { VNI: 1, VtepMAC: "02:00:00:00:00:99" });
    assert.deepEqual(store.leases(), [lease]);
  });

  it("asks first whether another host has the record, and then keeps its IPv4 subnet", async () => {
    const { clock, store, acquire } = start();
    store.put(dualLease({ ...BEFORE, nodeId: "bb" }));
    const acquired = acquire();
    await clock.advance(60_000);
    const { lease } = await acquired;
    assert.equal(lease.subnet.v4, "10.5.52.0/24");
    assert.ok(lease.subnet.v6 !== null && lease.attrs.nodeId === ID);
    assert.deepEqual(store.leases(), [lease]);
  });
});
