import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FlannelError } from "../../../src/base/errors.ts";
import type { Prefix4 } from "../../../src/base/ip.ts";
import type { Acquired } from "../../../src/subnet/acquire-lease.ts";
import type { Revision, SubnetKey } from "../../../src/subnet/lease.ts";
import { DAY, NARROW, OURS, startAcquiring } from "../../support/acquiring-host.ts";
import { leaseOf } from "../../support/leases.ts";

describe("acquiring a lease", () => {
  it("claims a free subnet for a day, with our public IP and a MAC", async () => {
    const { clock, store, acquire, log } = startAcquiring();
    const { lease, list } = await acquire();
    assert.equal(lease.attrs.publicIp, OURS);
    assert.match(JSON.stringify(lease.attrs.backendData), /"VtepMAC":"[0-9a-f:]{17}"/);
    assert.deepEqual(lease.term, { kind: "until", at: clock.now() + DAY });
    assert.deepEqual(list.leases, []);
    assert.deepEqual(store.leases(), [lease]);
    assert.deepEqual(log.messages(), ["leased a subnet"]);
  });

  it("chooses another subnet when a record that is no lease stands where ours was", async () => {
    const { store, acquire } = startAcquiring({ previous: { v4: "10.5.9.0/24" as Prefix4, v6: null } });
    store.putBad({ key: "10.5.9.0-24", reason: "its value is not JSON" });
    const { lease } = await acquire();
    assert.notEqual(lease.subnet.v4, "10.5.9.0/24");
    assert.equal(store.count("claim"), 1);
  });

  it("begins with the list that is at hand, and asks for another when that is old", async () => {
    const at = (n: number) => ({ subnet: `10.5.${n}.0/24`, publicIp: `192.168.64.${10 + n}` });
    const list = { revision: "1" as Revision, leases: [leaseOf(at(1)), leaseOf(at(2))], bad: [] };
    const fast = startAcquiring({ network: NARROW, list });
    assert.equal((await fast.acquire()).lease.subnet.v4, "10.5.3.0/24");
    assert.deepEqual(fast.store.calls, ["claim"]);
    const late = startAcquiring({ network: NARROW, list });
    late.store.put(leaseOf(at(3)));
    const acquired = late.acquire();
    await late.clock.advance(10_000);
    assert.equal((await acquired).lease.subnet.v4.length, "10.5.1.0/24".length);
    assert.ok(late.store.count("list") > 0);
  });

  it("claims the subnet of the last run while it is free", async () => {
    const { acquire } = startAcquiring({ previous: { v4: "10.5.77.0/24" as Prefix4, v6: null } });
    assert.equal((await acquire()).lease.subnet.v4, "10.5.77.0/24");
  });

  it("chooses another subnet without asking for the list again when another host was faster", async () => {
    const { clock, store, acquire, log } = startAcquiring({
      network: NARROW,
      previous: { v4: "10.5.2.0/24" as Prefix4, v6: null },
    });
    let races = 0;
    store.before((call) => {
      if (call !== "claim" || races > 0) return;
      races += 1;
      store.put(leaseOf({ subnet: "10.5.2.0/24", publicIp: "192.168.64.9" }));
    });
    const acquired = acquire();
    await clock.advance(1000);
    const { lease, list } = await acquired;
    assert.notEqual(lease.subnet.v4, "10.5.2.0/24");
    assert.deepEqual(list.leases, []);
    assert.equal(store.count("list"), 1);
    assert.deepEqual(log.messages(), ["another host took the subnet first; choosing again", "leased a subnet"]);
  });

  it("lists again when it has lost three times in a row: then the list is old", async () => {
    const { clock, store, acquire } = startAcquiring();
    store.before((call) => {
      if (call !== "claim") return;
      store.before(null);
      for (let n = 1; n < 200; n++) store.put(leaseOf({ subnet: `10.5.${n}.0/24`, publicIp: `192.168.65.${n}` }));
      for (let n = 201; n < 256; n++) store.put(leaseOf({ subnet: `10.5.${n}.0/24`, publicIp: `192.168.65.${n}` }));
    });
    const acquired = acquire();
    await clock.advance(10_000);
    assert.equal((await acquired).lease.subnet.v4, "10.5.200.0/24");
    assert.deepEqual([store.count("list"), store.count("claim")], [2, 4]);
  });

  it("does not say that every subnet is taken before it has listed again", async () => {
    const { clock, store, acquire } = startAcquiring({ network: NARROW });
    store.put(leaseOf({ subnet: "10.5.1.0/24", publicIp: "192.168.65.1" }));
    store.before((call) => {
      if (call === "claim") {
        for (const n of [2, 3]) store.put(leaseOf({ subnet: `10.5.${n}.0/24`, publicIp: `192.168.65.${n}` }));
      }
      if (call === "list" && store.count("claim") > 0) {
        store.before(null);
        store.delete("10.5.1.0-24" as SubnetKey);
      }
    });
    const acquired = acquire();
    await clock.advance(10_000);
    assert.equal((await acquired).lease.subnet.v4, "10.5.1.0/24");
    assert.deepEqual([store.count("list"), store.count("claim")], [2, 3]);
  });

  it("waits while every subnet is taken, asks seldom, and has the first that is free", async () => {
    const { clock, store, acquire, waiting, log } = startAcquiring({ network: NARROW });
    const taken = [1, 2, 3].map((n) =>
      store.put(leaseOf({ subnet: `10.5.${n}.0/24`, publicIp: `192.168.64.${10 + n}` })),
    );
    const acquired = acquire();
    await clock.advance(3_600_000);
    assert.match(waiting.at(-1) ?? "", /out of subnets: all 3 of 10\.5\.0\.0\/22 are leased/);
    assert.ok(store.count("list") < 40, `${store.count("list")} lists in an hour`);
    assert.ok(log.messages("warn").length < 10);
    assert.equal(store.count("claim"), 0);
    store.delete(taken[1]?.key as SubnetKey);
    await clock.advance(300_000);
    assert.equal((await acquired).lease.subnet.v4, "10.5.2.0/24");
  });

  it("renews the record that this host has and keeps its MAC, so that no peer has to change", async () => {
    const { clock, store, acquire, log } = startAcquiring({ previous: { v4: "10.5.77.0/24" as Prefix4, v6: null } });
    const own = store.put(leaseOf({ subnet: "10.5.52.0/24", publicIp: OURS, mac: "02:00:00:00:00:52" }));
    const { lease } = await acquire();
    assert.equal(lease.subnet.v4, "10.5.52.0/24");
    assert.deepEqual(lease.attrs, own.attrs);
    assert.equal(lease.version.modRevision, own.version.modRevision, "extended, not written again");
    assert.deepEqual(lease.term, { kind: "until", at: clock.now() + DAY });
    assert.equal(store.count("claim"), 0);
    assert.deepEqual(log.messages(), ["found the lease of this host and renewed it"]);
  });

  it("keeps a reservation a reservation", async () => {
    const { store, acquire } = startAcquiring();
    store.put(leaseOf({ subnet: "10.5.52.0/24", publicIp: OURS }), { kind: "reserved" });
    const { lease } = await acquire();
    assert.deepEqual(lease.term, { kind: "reserved" });
  });

  it("decides again when its record changed between the list and the renewal", async () => {
    const { clock, store, acquire } = startAcquiring();
    const own = store.put(leaseOf({ subnet: "10.5.52.0/24", publicIp: OURS }));
    let changed = false;
    store.before((call) => {
      if (call !== "renew" || changed) return;
      changed = true;
      store.delete(own.key);
    });
    const acquired = acquire();
    await clock.advance(1000);
    const { lease } = await acquired;
    assert.equal(lease.attrs.publicIp, OURS);
    assert.equal(store.count("claim"), 1);
  });

  it("removes a record of ours that no longer fits only after the claim, and takes its MAC along", async () => {
    const { store, acquire, log } = startAcquiring();
    const former = store.put(leaseOf({ subnet: "10.6.1.0/24", publicIp: OURS, mac: "02:00:00:00:00:61" }));
    const { lease } = await acquire();
    assert.deepEqual(store.calls, ["list", "claim", "remove"]);
    assert.deepEqual(lease.attrs.backendData, former.attrs.backendData);
    assert.deepEqual(store.leases(), [lease]);
    assert.deepEqual(log.messages("warn"), ["gave back a lease that no longer fits the network config"]);
  });

  it("keeps a record that no longer fits when nothing else is free", async () => {
    const { clock, store, acquire, stop } = startAcquiring({ network: NARROW });
    for (const n of [1, 2, 3]) store.put(leaseOf({ subnet: `10.5.${n}.0/24`, publicIp: `192.168.64.${10 + n}` }));
    store.put(leaseOf({ subnet: "10.6.1.0/24", publicIp: OURS }));
    const ended = assert.rejects(acquire(), /stopped/);
    await clock.advance(600_000);
    assert.equal(store.leases().length, 4);
    stop.abort(new Error("stopped"));
    await ended;
  });

  it("waits while etcd does not answer, and tells when that begins and when it is over", async () => {
    const { clock, store, acquire, log, waiting } = startAcquiring();
    store.disconnect();
    const acquired = acquire();
    await clock.advance(30_000);
    assert.deepEqual(log.messages(), ["cannot lease a subnet yet"]);
    assert.ok(store.count("list") >= 6);
    assert.match(waiting.at(-1) ?? "", /etcd did not answer/);
    store.connect();
    await clock.advance(5000);
    await acquired;
    assert.deepEqual(log.messages(), ["cannot lease a subnet yet", "leased a subnet", "a subnet can be leased"]);
  });

  it("finds its own claim again when the answer to it was lost", async () => {
    const { clock, store, acquire } = startAcquiring();
    store.before((call) => {
      if (call !== "claim") return;
      store.before(null);
      store.put(leaseOf({ subnet: "10.5.99.0/24", publicIp: OURS }));
      store.disconnect();
    });
    const acquired = acquire();
    await clock.advance(100);
    store.connect();
    await clock.advance(5000);
    assert.equal((await acquired).lease.subnet.v4, "10.5.99.0/24");
    assert.equal(store.leases().length, 1);
  });

  it("ends when it is stopped, also while it waits", async () => {
    const { clock, store, acquire, stop } = startAcquiring();
    store.disconnect();
    const acquired = acquire();
    await clock.advance(1000);
    stop.abort(new Error("stopped"));
    await assert.rejects(acquired, /stopped/);
    assert.equal(clock.sleepers(), 0);
  });
});

describe("an etcd that does not answer", () => {
  const remembered: Acquired = {
    lease: leaseOf({ subnet: "10.5.52.0/24", publicIp: OURS }),
    list: { revision: "7" as Revision, leases: [], bad: [] },
    fresh: false,
  };

  it("is waited for a moment, and then this host goes on with what it remembers", async () => {
    const { clock, store, acquire } = startAcquiring({ recall: () => remembered });
    store.disconnect();
    const acquired = acquire();
    await clock.advance(1900);
    assert.ok(store.count("list") > 2);
    await clock.advance(3000);
    assert.equal(await acquired, remembered);
  });

  it("is not waited for again when that has been done", async () => {
    const { store, acquire } = startAcquiring({ recall: () => remembered, isAway: true });
    store.disconnect("permission denied");
    assert.equal(await acquire(), remembered);
    assert.equal(store.count("list"), 1);
  });

  for (const error of [
    new FlannelError("etcd.denied", { op: "list", reason: "permission denied" }),
    new FlannelError("etcd.handshake", { op: "list", reason: "the certificate has expired", endpoints: "https://a:1" }),
  ]) {
    it(`is one that tells nothing to us, too, and is asked as often: ${error.code}`, async () => {
      const { clock, store, acquire } = startAcquiring({ recall: () => remembered });
      store.before((call) => {
        if (call === "list") throw error;
      });
      const acquired = acquire();
      await clock.advance(1900);
      assert.ok(store.count("list") > 2, "after short pauses");
      await clock.advance(3000);
      assert.equal(await acquired, remembered);
    });
  }

  it("is waited for when nothing may be used that is remembered", async () => {
    const { clock, store, acquire } = startAcquiring({ recall: () => null, isAway: true });
    store.disconnect();
    const acquired = acquire();
    await clock.advance(10_000);
    store.connect();
    await clock.advance(5000);
    assert.equal((await acquired).fresh, true);
  });

  it("after it has told who has what counts, whatever is remembered: another may have our subnet", async () => {
    const { clock, store, acquire } = startAcquiring({ recall: () => remembered, isAway: true });
    store.put(leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.9" }));
    store.before((call) => {
      if (call === "claim") store.disconnect();
    });
    const acquired = acquire();
    await clock.advance(60_000);
    store.before(null);
    store.connect();
    await clock.advance(10_000);
    const { lease, fresh } = await acquired;
    assert.equal(fresh, true);
    assert.notEqual(lease.subnet.v4, "10.5.52.0/24");
  });
});
