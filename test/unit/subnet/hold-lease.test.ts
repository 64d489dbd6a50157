import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seconds } from "../../../src/base/brand.ts";
import { parseIpv4 } from "../../../src/base/ip.ts";
import type { Lease, Revision } from "../../../src/subnet/lease.ts";
import { HOUR, resetTo, SKETCH, startHolder, TTL } from "../../support/lease-holder.ts";
import { leaseOf } from "../../support/leases.ts";

const RENEWED = "renewed the lease";

describe("holding a lease", () => {
  it("asks nothing of the store until the margin, and then extends the lease without writing the record", async () => {
    await using host = startHolder();
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
    await using host = startHolder();
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
    await using host = startHolder();
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
    await using host = startHolder();
    host.store.disconnect();
    await host.advance(TTL + 1000);
    assert.match(host.holder.trouble() ?? "", /^the lease expired at 2024-01-02T00:00:00\.000Z/);
    host.store.connect();
    host.store.delete(host.acquired.key);
    await host.advance(60_000);
    assert.equal(host.holder.trouble(), null);
    assert.equal(host.record()?.attrs.publicIp, SKETCH.publicIp);
  });

  it("looks first whether a lease that is only remembered still is its own", async () => {
    await using host = startHolder({ fresh: false });
    await host.advance(1000);
    assert.deepEqual(host.store.calls, ["get"]);
    assert.equal(host.holder.isHeld(), true);
    await using robbed = startHolder({
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
      await using host = startHolder();
      await host.advance(HOUR);
      host.clock.setWallClock(by);
      await host.advance(TTL - 2 * HOUR - 60_000);
      assert.deepEqual(host.store.calls, []);
      assert.equal(host.holder.trouble(), null);
      await host.advance(2 * 60_000);
      assert.deepEqual(host.store.calls, ["renew"]);
    });
  }

  it("never renews a reservation", async () => {
    await using host = startHolder({ reserved: true });
    await host.advance(3 * TTL);
    assert.deepEqual(host.store.calls, []);
    assert.equal(host.holder.trouble(), null);
  });

  it("renews within a minute when the machine slept through the time for it", async () => {
    await using host = startHolder();
    await host.advance(10 * 60_000);
    host.clock.suspend(23 * HOUR);
    await host.advance(60_000);
    assert.deepEqual(host.store.calls, ["renew"]);
    assert.equal(host.holder.trouble(), null);
  });

  it("does nothing about events of its own writes, of other records and of the past", async () => {
    await using host = startHolder();
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
    await using host = startHolder();
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
    await using host = startHolder({ nodeId: "aa", wanted: ({ attrs }) => ({ ...attrs, publicIp }) });
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
    await using host = startHolder({ nodeId: "aa", wanted: ({ attrs }) => ({ ...attrs, publicIp: says }) });
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
      await using host = startHolder({ nodeId: "aa", wanted: ({ attrs }) => ({ ...attrs, publicIp: says }) });
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

  it("does not renew without pause when the store grants less time than the margin", async () => {
    let renewals = 0;
    await using host = startHolder({
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
