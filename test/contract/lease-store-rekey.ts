// What every LeaseStore does with subnets of two families, and when a record is replaced by one for another subnet. Part of
// the suite in lease-store.ts.

import assert from "node:assert/strict";
import { it } from "node:test";
import { minutes } from "../../src/base/brand.ts";
import { earlierIpv6Owner } from "../../src/subnet/ipv6-owner.ts";
import type { Lease, Subnet } from "../../src/subnet/lease.ts";
import type { LeaseChange } from "../../src/subnet/lease-store.ts";
import type { OperatorStore } from "../../src/subnet/operator-store.ts";
import { dualLease, hostNumber, ipv4Only, ipv6Only } from "../support/dual-stack.ts";

const TTL = minutes(10);
const DUAL = dualLease(hostNumber(5));
const PLAIN = dualLease(ipv4Only(hostNumber(5)));
const OTHER_DUAL = dualLease(hostNumber(5, { v6: "fd00:5:0:99::/64", publicIp: "192.168.64.99" }));
const ALONE = dualLease(ipv6Only(hostNumber(5)));

interface Opened {
  readonly store: OperatorStore;
  readonly signal: AbortSignal;
  /** How many etcd leases there are. */
  readonly leaseCount: () => Promise<number>;
}

export function rekeyContract(opened: () => Opened): void {
  const claim = async ({ subnet, attrs }: Lease): Promise<Lease | null> => {
    const { store, signal } = opened();
    const outcome = await store.claim(subnet, attrs, TTL, signal);
    return outcome.kind === "claimed" ? outcome.lease : null;
  };
  const claimed = async (lease: Lease): Promise<Lease> => (await claim(lease)) ?? assert.fail("taken");
  const rekey = async (lease: Lease, subnet: Subnet) => {
    const { store, signal } = opened();
    return await store.rekey(lease, subnet, DUAL.attrs, TTL, signal);
  };
  const keys = async () => {
    const { store, signal } = opened();
    return (await store.list(signal)).leases.map(({ key }) => key);
  };

  it("gives an IPv4 subnet to one host, whatever stands beside it in the key", async () => {
    for (const [first, second] of [
      [PLAIN, OTHER_DUAL],
      [DUAL, PLAIN],
      [DUAL, OTHER_DUAL],
    ] as const) {
      const held = await claimed(first);
      assert.equal(await claim(second), null);
      const { store, signal } = opened();
      await store.remove(held, signal);
    }
  });

  it("lets hosts without IPv4 have one IPv6 subnet each", async () => {
    await claimed(ALONE);
    assert.equal(await claim(ALONE), null);
    await claimed(dualLease(ipv6Only(hostNumber(6))));
    assert.deepEqual(await keys(), ["0.0.0.0-0&fd00:5:0:5::-64", "0.0.0.0-0&fd00:5:0:6::-64"]);
  });

  it("replaces a record by one for another subnet in one transaction, the old one first", async () => {
    const { store, signal } = opened();
    const held = await claimed(PLAIN);
    const { revision } = await store.list(signal);
    const outcome = await rekey(held, DUAL.subnet);
    assert.ok(outcome.kind === "claimed");
    const written = await store.get(DUAL.key, signal);
    assert.deepEqual([written?.attrs, written?.version], [outcome.lease.attrs, outcome.lease.version]);
    assert.deepEqual(await keys(), [DUAL.key]);
    assert.equal(outcome.lease.term.kind, "until");
    for await (const event of store.watch(revision, signal)) {
      if (event.kind !== "changes") continue;
      const told = event.changes.map((change: LeaseChange) =>
        change.kind === "put" ? `put ${change.lease.key}` : change.kind,
      );
      assert.deepEqual(told, ["removed", `put ${DUAL.key}`]);
      break;
    }
  });

  it("replaces a dual-stack record by one with another IPv6 subnet, and by one without", async () => {
    const first = await rekey(await claimed(DUAL), OTHER_DUAL.subnet);
    assert.ok(first.kind === "claimed");
    assert.equal((await rekey(first.lease, PLAIN.subnet)).kind, "claimed");
    assert.deepEqual(await keys(), [PLAIN.key]);
  });

  it("gives the etcd lease of the replaced record back, and none else", async () => {
    const { store, signal, leaseCount } = opened();
    const other = await claimed(dualLease(hostNumber(6)));
    const held = await claimed(PLAIN);
    const leases = await leaseCount();
    assert.equal((await rekey(held, DUAL.subnet)).kind, "claimed");
    assert.equal(await leaseCount(), leases);
    assert.deepEqual((await keys()).toSorted(), [DUAL.key, other.key]);
    assert.equal((await store.get(DUAL.key, signal))?.term.kind, "until");
  });

  it("tells since when each record is there, whatever is written to it", async () => {
    const { store, signal } = opened();
    const first = await claimed(DUAL);
    const second = await claimed(dualLease(hostNumber(6)));
    assert.equal(first.version.createRevision, first.version.modRevision);
    assert.ok(BigInt(first.version.createRevision) < BigInt(second.version.createRevision));
    const renewed = await store.renew(first, { ...DUAL.attrs, backendData: { VNI: 2 } }, TTL, signal);
    assert.ok(renewed.kind === "renewed" && renewed.lease.version.modRevision !== first.version.modRevision);
    assert.equal(renewed.lease.version.createRevision, first.version.createRevision);
    const reserved = await store.setTerm(renewed.lease, null, signal);
    assert.ok(reserved.kind === "renewed");
    assert.equal(reserved.lease.version.createRevision, first.version.createRevision);
    const listed = (await store.list(signal)).leases.map(({ version }) => version.createRevision);
    assert.deepEqual(listed, [first.version.createRevision, second.version.createRevision]);
    const replaced = await rekey(reserved.lease, OTHER_DUAL.subnet);
    assert.ok(replaced.kind === "claimed");
    assert.ok(BigInt(replaced.lease.version.createRevision) > BigInt(second.version.createRevision));
    assert.deepEqual((await store.get(OTHER_DUAL.key, signal))?.version, replaced.lease.version);
  });

  it("makes a host that comes back to its IPv4 subnet the later owner of an IPv6 one that another got meanwhile", async () => {
    const { store, signal } = opened();
    await store.remove(await claimed(DUAL), signal);
    const heir = await claimed(dualLease(hostNumber(9, { v6: "fd00:5:0:5::/64" })));
    const back = await claimed(DUAL);
    const { leases } = await store.list(signal);
    assert.equal(earlierIpv6Owner(back, leases)?.key, heir.key);
    assert.equal(earlierIpv6Owner(heir, leases), null);
  });

  it("keeps a reservation one", async () => {
    const { store, signal } = opened();
    const held = await store.setTerm(await claimed(PLAIN), null, signal);
    assert.ok(held.kind === "renewed");
    const outcome = await rekey(held.lease, DUAL.subnet);
    assert.ok(outcome.kind === "claimed");
    assert.deepEqual(outcome.lease.term, { kind: "reserved" });
    assert.equal((await store.get(DUAL.key, signal))?.term.kind, "reserved");
  });

  it("replaces nothing when the record has changed, or the other subnet is taken, and leaves no etcd lease behind", async () => {
    const { store, signal } = opened();
    const held = await claimed(PLAIN);
    const renewed = await store.renew(held, { ...PLAIN.attrs, publicIpv6: DUAL.attrs.publicIpv6 }, TTL, signal);
    assert.ok(renewed.kind === "renewed");
    assert.deepEqual(await rekey(held, DUAL.subnet), { kind: "taken" });
    await claimed(dualLease(ipv4Only(hostNumber(6))));
    assert.deepEqual(await rekey(renewed.lease, dualLease(hostNumber(6)).subnet), { kind: "taken" });
    assert.deepEqual((await keys()).toSorted(), ["10.5.5.0-24", "10.5.6.0-24"]);
  });
}
