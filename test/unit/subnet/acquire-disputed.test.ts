import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createVxlan } from "../../../src/backends/vxlan.ts";
import { type Prefix4, parseIpv4 } from "../../../src/base/ip.ts";
import { type AcquireRequest, acquireLease } from "../../../src/subnet/acquire-lease.ts";
import { PATIENCE } from "../../../src/subnet/challenge.ts";
import type { Identity } from "../../../src/subnet/identity.ts";
import type { NodeId } from "../../../src/subnet/lease.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { DAY, OURS, startAcquiring, WIDE } from "../../support/acquiring-host.ts";
import { leaseOf } from "../../support/leases.ts";
import { createScriptedStore } from "../../support/scripted-store.ts";
import { MARK, underlayAt } from "../../support/vxlan-host.ts";

const ID = "11111111111111111111111111111111";
const OTHER_ID = "22222222222222222222222222222222";
const SELF: Identity = { nodeId: ID as NodeId, publicIp: parseIpv4(OURS), publicIpv6: null };

describe("a record of which it is not certain whose it is", () => {
  const sketch = { subnet: "10.5.52.0/24", publicIp: OURS, mac: "02:00:00:00:00:52", nodeId: OTHER_ID };

  it("is ours when its host does not answer, as after an installation: the subnet and the MAC stay", async () => {
    const { clock, store, acquire, waiting } = startAcquiring({ self: SELF });
    const record = store.put(leaseOf(sketch));
    const acquired = acquire();
    await clock.advance(PATIENCE - 1);
    assert.deepEqual(store.leases()[0]?.attrs, { ...record.attrs, challenger: ID }, "it only asks");
    assert.match(waiting.at(-1) ?? "", /asking whether another host holds the lease of 10\.5\.52\.0\/24/);
    await clock.advance(1000);
    const { lease } = await acquired;
    assert.equal(lease.subnet.v4, "10.5.52.0/24");
    assert.deepEqual(lease.attrs, { ...record.attrs, nodeId: ID });
    assert.deepEqual(store.leases(), [lease]);
  });

  it("is ours also when this host had another address, and then announces the new one", async () => {
    const { clock, store, acquire } = startAcquiring({ self: SELF });
    store.put(leaseOf({ ...sketch, publicIp: "192.168.64.77", nodeId: ID }));
    const acquired = acquire();
    await clock.advance(PATIENCE + 1000);
    const { lease } = await acquired;
    assert.equal(lease.subnet.v4, "10.5.52.0/24");
    assert.equal(lease.attrs.publicIp, OURS);
  });

  it("stays the other's when that answers; then this host waits, and says what to do", async () => {
    const { clock, store, acquire, waiting, log, stop } = startAcquiring({ self: SELF });
    const record = store.put(leaseOf(sketch));
    const ended = assert.rejects(acquire(), /stopped/);
    for (let second = 0; second < 3600; second++) {
      await clock.advance(1000);
      if (store.leases()[0]?.attrs.challenger) store.put(record);
    }
    assert.deepEqual(store.leases()[0]?.attrs, record.attrs);
    assert.match(
      waiting.at(-1) ?? "",
      /another running host \(node id 2+\) has the public IP 192\.168\.64\.2 of this one.*-public-ip|asking/,
    );
    assert.ok(log.messages("warn").length < 10);
    assert.equal(store.count("claim"), 0);
    stop.abort(new Error("stopped"));
    await ended;
  });

  it("of a copy of our disk that answers is left to it, and another subnet is leased", async () => {
    const { clock, store, acquire, log } = startAcquiring({ self: SELF });
    const record = store.put(leaseOf({ ...sketch, publicIp: "192.168.64.77", nodeId: ID }));
    const acquired = acquire();
    await clock.advance(500);
    store.put(record);
    await clock.advance(10_000);
    const { lease } = await acquired;
    assert.notEqual(lease.subnet.v4, "10.5.52.0/24");
    assert.equal(store.leases().length, 2);
    assert.match(log.messages("warn").at(-1) ?? "", /copy of its disk/);
  });

  it("of a host that is gone goes to one of two who ask, and the other is told that it is taken", async () => {
    const clock = createFakeClock();
    const store = createScriptedStore({ clock });
    store.put(leaseOf(sketch));
    const waiting: string[] = [];
    const stop = new AbortController();
    const join = (id: string) => {
      const underlay = underlayAt(OURS);
      const random = createSeededRandom(Number(id));
      const request: AcquireRequest = {
        network: WIDE,
        self: { nodeId: id as NodeId, publicIp: parseIpv4(OURS), publicIpv6: null },
        addresses: new Set(),
        previous: { v4: null, v6: null },
        advertise: (own) => createVxlan({}).advertise({ underlay, links: [], mark: MARK, own, random }),
        ttl: DAY,
        recall: () => null,
        list: null,
        isAway: false,
      };
      const onWaiting = (reason: string) => waiting.push(`${id}: ${reason}`);
      return acquireLease(
        request,
        { store, clock, random, log: createCapturedLog(), onWaiting, onList: () => {} },
        stop.signal,
      );
    };
    const joined = ["1", "2"].map((id) => join(id).catch(() => null));
    for (let second = 0; second < 300; second++) {
      await clock.advance(1000);
      // Whoever has it answers.
      const [record] = store.leases();
      if (record?.attrs.nodeId !== OTHER_ID && record?.attrs.challenger) {
        store.put({ ...record, attrs: { ...record.attrs, challenger: null } });
      }
    }
    stop.abort(new Error("stopped"));
    const leases = (await Promise.all(joined)).filter((acquired) => acquired !== null);
    assert.equal(leases.length, 1);
    assert.ok(waiting.some((reason) => reason.includes("another running host")));
    assert.ok(store.count("renew") < 40, `${store.count("renew")} writes`);
  });

  it("that has our address is settled first, also when the config no longer allows its subnet", async () => {
    const { clock, store, acquire } = startAcquiring({
      self: SELF,
      previous: { v4: "10.5.60.0/24" as Prefix4, v6: null },
    });
    const former = leaseOf({ ...sketch, subnet: "10.5.60.0/24", publicIp: "192.168.64.77", nodeId: ID });
    store.put(former);
    const rival = store.put(leaseOf({ ...sketch, subnet: "10.6.1.0/24" }));
    const acquired = acquire();
    await clock.advance(500);
    assert.equal(store.leases().find(({ key }) => key === rival.key)?.attrs.challenger, ID);
    assert.equal(store.leases().find(({ key }) => key === former.key)?.attrs.challenger, null);
    await clock.advance(60_000);
    assert.equal((await acquired).lease.subnet.v4, "10.5.60.0/24", "then the next");
    assert.deepEqual(
      store.leases().map(({ key }) => key),
      [former.key],
      "nobody has the other",
    );
  });

  it("is decided anew when it changes otherwise meanwhile", async () => {
    const { clock, store, acquire } = startAcquiring({ self: SELF });
    const record = store.put(leaseOf(sketch));
    const acquired = acquire();
    await clock.advance(500);
    store.delete(record.key);
    await clock.advance(10_000);
    const { lease } = await acquired;
    assert.equal(lease.attrs.nodeId, ID);
    assert.equal(store.count("claim"), 1);
  });

  it("of a host that writes no id is judged by its address, as by the Go daemon", async () => {
    const { store, acquire } = startAcquiring({ self: SELF });
    store.put(leaseOf({ subnet: "10.5.52.0/24", publicIp: OURS }));
    const { lease } = await acquire();
    assert.equal(lease.subnet.v4, "10.5.52.0/24");
    assert.equal(lease.attrs.nodeId, ID);
  });
});
