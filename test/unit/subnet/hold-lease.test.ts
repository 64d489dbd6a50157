import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type EpochMillis, minutes, seconds } from "../../../src/base/brand.ts";
import { parseIpv4 } from "../../../src/base/ip.ts";
import { createLeaseHolder } from "../../../src/subnet/hold-lease.ts";
import type { Lease, LeaseAttrs, LeaseTerm, Revision } from "../../../src/subnet/lease.ts";
import type { LeaseStore, StoreEvent } from "../../../src/subnet/lease-store.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { dualLease } from "../../support/dual-stack.ts";
import { leaseOf } from "../../support/leases.ts";
import { createScriptedStore, type ScriptedStore } from "../../support/scripted-store.ts";

const HOUR = minutes(60);
const TTL = minutes(24 * 60);
const SKETCH = { subnet: "10.5.52.0/24", publicIp: "192.168.64.2", mac: "02:00:00:00:00:52" };
const RENEWED = "renewed the lease";

interface Start {
  readonly reserved?: boolean;
  readonly fresh?: boolean;
  readonly nodeId?: string;
  readonly wanted?: (held: Lease) => LeaseAttrs;
  readonly wrap?: (store: ScriptedStore) => LeaseStore;
}

/** A holder of a lease that was just acquired, and a watch that hands it every event. */
function start({ reserved = false, fresh = true, nodeId, wanted, wrap = (store) => store }: Start = {}) {
  const clock = createFakeClock();
  const store = createScriptedStore({ clock });
  const log = createCapturedLog();
  const stop = new AbortController();
  const term: LeaseTerm = reserved ? { kind: "reserved" } : { kind: "until", at: (clock.now() + TTL) as EpochMillis };
  const acquired = store.put(leaseOf(nodeId === undefined ? SKETCH : { ...SKETCH, nodeId }), term);
  const list = { revision: acquired.version.modRevision, leases: [acquired], bad: [] };
  let changes = 0;
  const onChange = () => {
    changes += 1;
  };
  const deps = { store: wrap(store), clock, random: createSeededRandom(1), log, onChange, ...(wanted && { wanted }) };
  const holder = createLeaseHolder({ lease: acquired, list, fresh }, { ttl: TTL, margin: HOUR }, deps);
  const watch = async () => {
    for await (const event of store.watch("0" as Revision, stop.signal)) holder.observe(event);
  };
  const watching = watch();
  const running = holder.run(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  running.catch(() => {});
  return {
    advance: clock.advance,
    clock,
    store,
    log,
    holder,
    acquired,
    running,
    changes: () => changes,
    record: () => store.leases().find(({ key }) => key === acquired.key),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await watching;
      await running;
    },
  };
}

function resetTo(revision: string, leases: readonly Lease[]): StoreEvent {
  return { kind: "reset", list: { revision: revision as Revision, leases, bad: [] } };
}

describe("holding a lease", () => {
  it("asks nothing of the store until the margin, and then extends the lease without writing the record", async () => {
    await using host = start();
    await host.advance(TTL - HOUR - 60_000);
    assert.deepEqual(host.store.calls, []);
    await host.advance(60_000);
    assert.deepEqual(host.store.calls, ["renew"]);
    assert.deepEqual(host.log.messages(), [RENEWED]);
    assert.equal(host.record()?.version.modRevision, host.acquired.version.modRevision);
    assert.deepEqual(host.holder.lease().term, { kind: "until", at: host.clock.now() + TTL });
    await host.advance(TTL - HOUR);
    assert.deepEqual(host.store.calls, ["renew", "renew"]);
  });

  it("tries a renewal that failed again, and tells only when that begins and when it is over", async () => {
    await using host = start();
    host.store.disconnect();
    await host.advance(TTL - HOUR + 50_000);
    assert.ok(host.store.count("renew") >= 5);
    assert.deepEqual(host.log.messages(), ["cannot renew the lease"]);
    assert.equal(host.holder.trouble(), null, "it is still good for an hour");
    host.store.connect();
    await host.advance(60_000);
    assert.deepEqual(host.log.messages(), ["cannot renew the lease", RENEWED, "the lease is renewed again"]);
  });

  it("tries again at once when etcd answers again", async () => {
    await using host = start();
    host.store.disconnect();
    await host.advance(TTL - 60_000);
    const failed = host.store.count("renew");
    host.store.connect();
    host.holder.retry();
    await host.advance(100);
    assert.equal(host.store.count("renew"), failed + 1);
    assert.equal(host.log.messages().at(-1), "the lease is renewed again");
  });

  it("says so when the lease expired before it could be renewed, and recovers when etcd is back", async () => {
    await using host = start();
    host.store.disconnect();
    await host.advance(TTL + 1000);
    assert.match(host.holder.trouble() ?? "", /^the lease expired at 2024-01-02T00:00:00\.000Z/);
    host.store.connect();
    host.store.delete(host.acquired.key);
    await host.advance(60_000);
    assert.equal(host.holder.trouble(), null);
    assert.equal(host.record()?.attrs.publicIp, SKETCH.publicIp);
  });

  it("leases the same subnet again when its record is deleted", async () => {
    await using host = start();
    await host.advance(1000);
    host.store.delete(host.acquired.key);
    await host.advance(1000);
    assert.deepEqual(host.record(), host.holder.lease());
    assert.deepEqual(host.holder.lease().attrs, host.acquired.attrs);
    assert.equal(host.holder.trouble(), null);
    assert.ok(host.changes() > 0);
    assert.equal(host.log.messages("warn").length, 1);
    assert.match(host.log.messages("warn")[0] ?? "", /leased the same subnet again/);
  });

  it("says that the record is gone for as long as it cannot be claimed again", async () => {
    await using host = start();
    await host.advance(1000);
    host.store.before((call) => {
      if (call === "claim") host.store.disconnect();
    });
    host.store.delete(host.acquired.key);
    await host.advance(5000);
    assert.match(host.holder.trouble() ?? "", /gone from etcd/);
    host.store.before(null);
    host.store.connect();
    await host.advance(60_000);
    assert.equal(host.holder.trouble(), null);
  });

  for (const how of ["overwrites the record", "claims the subnet after the record was deleted"] as const) {
    it(`holds nothing while another host ${how}, and has the subnet again when that is gone`, async () => {
      await using host = start();
      await host.advance(1000);
      if (how !== "overwrites the record") host.store.delete(host.acquired.key);
      const theirs = host.store.put(leaseOf({ ...SKETCH, publicIp: "192.168.64.9" }));
      await host.advance(1000);
      assert.equal(host.holder.isHeld(), false);
      assert.match(host.holder.trouble() ?? "", /^10\.5\.52\.0\/24 belongs to the host 192\.168\.64\.9 now/);
      await host.advance(2 * TTL);
      assert.deepEqual(host.record()?.attrs, theirs.attrs, "the other's record is left alone");
      assert.deepEqual(host.log.messages("error"), ["another host has the subnet of this host"]);
      host.store.delete(theirs.key);
      await host.advance(1000);
      assert.equal(host.holder.isHeld(), true);
      assert.equal(host.holder.trouble(), null);
      assert.equal(host.record()?.attrs.publicIp, SKETCH.publicIp);
    });
  }

  it("sees within minutes that another host has given the subnet back, also when the watch does not tell", async () => {
    await using host = start();
    await host.advance(1000);
    const theirs = host.store.put(leaseOf({ ...SKETCH, publicIp: "192.168.64.9" }));
    await host.advance(1000);
    host.store.holdEvents();
    host.store.delete(theirs.key);
    await host.advance(6 * 60_000);
    assert.equal(host.holder.isHeld(), true);
  });

  it("yields to a host that has its IPv4 subnet together with one of IPv6, and has it back when that is gone", async () => {
    await using host = start();
    await host.advance(1000);
    const heir = dualLease({ v4: SKETCH.subnet, v6: "fd00::/64", publicIp: "192.168.64.9", publicIpv6: "fd77::9" });
    host.store.delete(host.acquired.key);
    host.store.put(heir);
    await host.advance(1000);
    assert.equal(host.holder.isHeld(), false);
    assert.match(host.holder.trouble() ?? "", /10\.5\.52\.0\/24 belongs to the host 192\.168\.64\.9/);
    host.store.delete(heir.key);
    await host.advance(6 * 60_000);
    assert.equal(host.holder.isHeld(), true);
  });

  it("yields to a host with its address and another id", async () => {
    await using host = start({ nodeId: "11" });
    await host.advance(1000);
    host.store.put(leaseOf({ ...SKETCH, nodeId: "22" }));
    await host.advance(1000);
    assert.equal(host.holder.isHeld(), false);
    assert.match(host.holder.trouble() ?? "", /the host 192\.168\.64\.2 \(node id 22\)/);
  });

  it("answers a challenge by taking it out of its record, and tells who asked", async () => {
    await using host = start();
    await host.advance(1000);
    host.store.put(leaseOf({ ...SKETCH, challenger: "22" }));
    await host.advance(1000);
    assert.deepEqual(host.record()?.attrs, host.acquired.attrs);
    assert.equal(host.log.lines.at(-1)?.fields.node, "22");
    assert.deepEqual(host.log.messages("warn"), ["another host asked whether this one holds its lease; it does"]);
  });

  it("looks first whether a lease that is only remembered still is its own", async () => {
    await using host = start({ fresh: false });
    await host.advance(1000);
    assert.deepEqual(host.store.calls, ["get"]);
    assert.equal(host.holder.isHeld(), true);
    await using robbed = start({
      fresh: false,
      wrap: (store) => {
        store.put(leaseOf({ ...SKETCH, publicIp: "192.168.64.9" }));
        return store;
      },
    });
    await robbed.advance(1000);
    assert.equal(robbed.holder.isHeld(), false);
  });

  for (const by of [5 * HOUR, -5 * HOUR]) {
    it(`renews in time when somebody sets the clock by ${by / HOUR} hours`, async () => {
      await using host = start();
      await host.advance(HOUR);
      host.clock.setWallClock(by);
      await host.advance(TTL - 2 * HOUR - 60_000);
      assert.deepEqual(host.store.calls, []);
      assert.equal(host.holder.trouble(), null);
      await host.advance(2 * 60_000);
      assert.deepEqual(host.store.calls, ["renew"]);
    });
  }

  it("keeps a record that somebody rewrote but left ours, and puts its own attributes back", async () => {
    await using host = start();
    await host.advance(1000);
    host.store.put({ ...leaseOf({ ...SKETCH, mac: "02:00:00:00:00:99" }), term: { kind: "leased" } });
    await host.advance(1000);
    assert.deepEqual(host.record()?.attrs, host.acquired.attrs);
    assert.deepEqual(host.holder.lease(), host.record());
    assert.match(host.log.messages("info").at(-1) ?? "", /was rewritten; kept it/);
    assert.deepEqual(host.log.messages("warn"), []);
  });

  it("keeps the reservation that an operator made of its record, and renews it no more", async () => {
    await using host = start();
    await host.advance(1000);
    host.store.put(leaseOf(SKETCH), { kind: "reserved" });
    await host.advance(1000);
    assert.deepEqual(host.holder.lease().term, { kind: "reserved" });
    const renewals = host.store.count("renew");
    await host.advance(2 * TTL);
    assert.equal(host.store.count("renew"), renewals);
  });

  it("never renews a reservation", async () => {
    await using host = start({ reserved: true });
    await host.advance(3 * TTL);
    assert.deepEqual(host.store.calls, []);
    assert.equal(host.holder.trouble(), null);
  });

  it("renews within a minute when the machine slept through the time for it", async () => {
    await using host = start();
    await host.advance(10 * 60_000);
    host.clock.suspend(23 * HOUR);
    await host.advance(60_000);
    assert.deepEqual(host.store.calls, ["renew"]);
    assert.equal(host.holder.trouble(), null);
  });

  it("does nothing about events of its own writes, of other records and of the past", async () => {
    await using host = start();
    await host.advance(1000);
    host.store.put(leaseOf({ subnet: "10.5.20.0/24", publicIp: "192.168.64.4" }));
    host.store.delete("10.5.20.0-24" as Lease["key"]);
    host.holder.observe({
      kind: "changes",
      revision: "1" as Revision,
      changes: [{ kind: "removed", key: host.acquired.key }],
    });
    host.holder.observe(resetTo("50", [host.acquired]));
    host.holder.observe({ kind: "disconnected", reason: "connection refused" });
    host.holder.observe({ kind: "connected" });
    await host.advance(1000);
    assert.deepEqual(host.store.calls, []);
    assert.equal(host.changes(), 0);
  });

  it("goes by the last of several changes of its record that come at once", async () => {
    await using host = start();
    const { key, version } = host.acquired;
    const revision = String(BigInt(version.modRevision) + 5n) as Revision;
    const put = { kind: "put" as const, lease: host.acquired };
    const removed = { kind: "removed" as const, key };
    const looks = () => host.store.count("get");
    host.holder.observe({ kind: "changes", revision, changes: [removed, put] });
    await host.advance(1000);
    assert.equal(looks(), 0, "it is back as we hold it");
    host.holder.observe({ kind: "changes", revision, changes: [put, removed] });
    await host.advance(1000);
    assert.equal(looks(), 1);
  });

  it("writes at once what its record must say, under the same key and lease, and looks after the new one", async () => {
    let publicIp = parseIpv4(SKETCH.publicIp);
    await using host = start({ nodeId: "aa", wanted: ({ attrs }) => ({ ...attrs, publicIp }) });
    await host.advance(1000);
    assert.deepEqual(host.store.calls, []);
    publicIp = parseIpv4("192.168.64.3");
    host.holder.announce();
    await host.advance(100);
    assert.equal(host.record()?.attrs.publicIp, publicIp);
    assert.equal(host.record()?.version.leaseId, host.acquired.version.leaseId);
    assert.equal(host.holder.lease().attrs.publicIp, publicIp);
    host.store.delete(host.acquired.key);
    await host.advance(1000);
    assert.equal(host.record()?.attrs.publicIp, publicIp);
    assert.equal(host.holder.isHeld(), true);
  });

  it("knows its record by what it wrote last, although the answer was lost", async () => {
    const publicIp = parseIpv4("192.168.64.3");
    let says = parseIpv4(SKETCH.publicIp);
    await using host = start({ nodeId: "aa", wanted: ({ attrs }) => ({ ...attrs, publicIp: says }) });
    await host.advance(1000);
    host.store.disconnect();
    says = publicIp;
    host.holder.announce();
    await host.advance(1000);
    host.store.connect();
    host.store.put({ ...host.acquired, attrs: { ...host.acquired.attrs, publicIp } });
    await host.advance(60_000);
    assert.equal(host.holder.isHeld(), true);
    assert.equal(host.holder.lease().attrs.publicIp, publicIp);
  });

  for (const [last, where] of [
    [SKETCH.publicIp, "back to what it was"],
    ["192.168.64.4", "on to a third"],
  ] as const) {
    it(`knows its record by an address whose write was answered to nobody, when the address has gone ${where}`, async () => {
      const lost = parseIpv4("192.168.64.3");
      let says = parseIpv4(SKETCH.publicIp);
      await using host = start({ nodeId: "aa", wanted: ({ attrs }) => ({ ...attrs, publicIp: says }) });
      await host.advance(1000);
      host.store.holdEvents();
      host.store.disconnect();
      says = lost;
      host.holder.announce();
      await host.advance(1000);
      // It was applied all the same.
      host.store.put({ ...host.acquired, attrs: { ...host.acquired.attrs, publicIp: lost } });
      says = parseIpv4(last);
      host.holder.announce();
      await host.advance(5000);
      host.store.connect();
      host.store.releaseEvents();
      await host.advance(60_000);
      assert.equal(host.holder.isHeld(), true);
      assert.deepEqual(host.log.messages("error"), []);
      assert.equal(host.record()?.attrs.publicIp, says);
    });
  }

  it("looks after its record when a full list does not have it, even one of a store that was restored", async () => {
    for (const revision of ["1", "50"]) {
      await using host = start();
      await host.advance(1000);
      host.store.holdEvents();
      host.store.delete(host.acquired.key);
      host.holder.observe(resetTo(revision, []));
      await host.advance(1000);
      assert.equal(host.record()?.attrs.publicIp, SKETCH.publicIp, `revision ${revision}`);
    }
  });

  it("does not renew without pause when the store grants less time than the margin", async () => {
    let renewals = 0;
    await using host = start({
      wrap: (store) => ({
        ...store,
        async renew(lease, attrs, _ttl, signal) {
          renewals += 1;
          if (renewals > 1000) throw new Error("renewed without pause");
          return store.renew(lease, attrs, seconds(60), signal);
        },
      }),
    });
    await host.advance(TTL);
    assert.ok(renewals >= 60 && renewals <= 180, `${renewals} renewals`);
    assert.equal(host.holder.trouble(), null);
  });
});
