import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dualLease } from "../../support/dual-stack.ts";
import { resetTo, SKETCH, startHolder, TTL } from "../../support/lease-holder.ts";
import { leaseOf } from "../../support/leases.ts";

describe("holding a lease that others take or change", () => {
  it("leases the same subnet again when its record is deleted", async () => {
    await using host = startHolder();
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
    await using host = startHolder();
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

  it("answers whoever deletes its record again and again, but soon not more than once a second, nor with many lines", async () => {
    await using host = startHolder();
    await host.advance(1000);
    for (let n = 0; n < 5; n++) {
      host.store.delete(host.acquired.key);
      await host.advance(20);
      assert.ok(host.record(), `deletion ${n} is answered at once`);
    }
    for (let n = 0; n < 5 * 600; n++) {
      if (host.record()) host.store.delete(host.acquired.key);
      await host.advance(200);
    }
    const claims = host.store.count("claim");
    assert.ok(claims > 500 && claims < 610, String(claims));
    await host.advance(1000);
    assert.deepEqual(host.record(), host.holder.lease());
    const lines = host.log.lines.map(({ fields }) => fields.unsaid ?? 0);
    assert.equal(lines.length, 7);
    assert.deepEqual(lines.slice(0, 5), [0, 0, 0, 0, 0]);
    assert.ok((lines[5] ?? 0) > 200, String(lines));
  });

  for (const how of ["overwrites the record", "claims the subnet after the record was deleted"] as const) {
    it(`holds nothing while another host ${how}, and has the subnet again when that is gone`, async () => {
      await using host = startHolder();
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
    await using host = startHolder();
    await host.advance(1000);
    const theirs = host.store.put(leaseOf({ ...SKETCH, publicIp: "192.168.64.9" }));
    await host.advance(1000);
    host.store.holdEvents();
    host.store.delete(theirs.key);
    await host.advance(6 * 60_000);
    assert.equal(host.holder.isHeld(), true);
  });

  it("yields to a host that has its IPv4 subnet together with one of IPv6, and has it back when that is gone", async () => {
    await using host = startHolder();
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
    await using host = startHolder({ nodeId: "11" });
    await host.advance(1000);
    host.store.put(leaseOf({ ...SKETCH, nodeId: "22" }));
    await host.advance(1000);
    assert.equal(host.holder.isHeld(), false);
    assert.match(host.holder.trouble() ?? "", /the host 192\.168\.64\.2 \(node id 22\)/);
  });

  it("answers a challenge by taking it out of its record, and tells who asked", async () => {
    await using host = startHolder();
    await host.advance(1000);
    host.store.put(leaseOf({ ...SKETCH, challenger: "22" }));
    await host.advance(1000);
    assert.deepEqual(host.record()?.attrs, host.acquired.attrs);
    assert.equal(host.log.lines.at(-1)?.fields.node, "22");
    assert.deepEqual(host.log.messages("warn"), ["another host asked whether this one holds its lease; it does"]);
  });

  it("keeps a record that somebody rewrote but left ours, and puts its own attributes back", async () => {
    await using host = startHolder();
    await host.advance(1000);
    host.store.put({ ...leaseOf({ ...SKETCH, mac: "02:00:00:00:00:99" }), term: { kind: "leased" } });
    await host.advance(1000);
    assert.deepEqual(host.record()?.attrs, host.acquired.attrs);
    assert.deepEqual(host.holder.lease(), host.record());
    assert.match(host.log.messages("info").at(-1) ?? "", /was rewritten; kept it/);
    assert.deepEqual(host.log.messages("warn"), []);
  });

  it("keeps the reservation that an operator made of its record, and renews it no more", async () => {
    await using host = startHolder();
    await host.advance(1000);
    host.store.put(leaseOf(SKETCH), { kind: "reserved" });
    await host.advance(1000);
    assert.deepEqual(host.holder.lease().term, { kind: "reserved" });
    const renewals = host.store.count("renew");
    await host.advance(2 * TTL);
    assert.equal(host.store.count("renew"), renewals);
  });

  it("looks after its record when a full list does not have it, even one of a store that was restored", async () => {
    for (const revision of ["1", "50"]) {
      await using host = startHolder();
      await host.advance(1000);
      host.store.holdEvents();
      host.store.delete(host.acquired.key);
      host.holder.observe(resetTo(revision, []));
      await host.advance(1000);
      assert.equal(host.record()?.attrs.publicIp, SKETCH.publicIp, `revision ${revision}`);
    }
  });
});
