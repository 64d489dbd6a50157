import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EpochMillis } from "../../../src/base/brand.ts";
import { minutes, seconds } from "../../../src/base/brand.ts";
import { createLeaseHolder } from "../../../src/subnet/hold-lease.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { leaseOf } from "../../support/leases.ts";
import { createScriptedStore } from "../../support/scripted-store.ts";

const TTL = minutes(24 * 60);
const MARGIN = minutes(60);
const SKETCH = { subnet: "10.5.52.0/24", publicIp: "192.168.64.2" };

function start(fresh: boolean) {
  const clock = createFakeClock();
  const store = createScriptedStore({ clock });
  const stop = new AbortController();
  const lease = store.put(leaseOf(SKETCH), { kind: "until", at: (clock.now() + TTL) as EpochMillis });
  const list = { revision: lease.version.modRevision, leases: [lease], bad: [] };
  const deps = { store, clock, random: createSeededRandom(1), log: createCapturedLog(), onChange: () => {} };
  const holder = createLeaseHolder({ lease, list, fresh }, { ttl: TTL, margin: MARGIN }, deps);
  const watching = (async () => {
    for await (const event of store.watch(list.revision, stop.signal)) holder.observe(event);
  })();
  const running = holder.run(stop.signal).catch(() => {});
  return {
    clock,
    store,
    lease,
    account: () => holder.account(),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await watching;
      await running;
    },
  };
}

describe("the account of a lease", () => {
  it("begins with when it was given, or with nothing when it is only remembered", async () => {
    await using given = start(true);
    assert.deepEqual(given.account(), {
      renewedAt: Date.UTC(2024, 0, 1),
      renewed: 0,
      failed: 0,
      lost: 0,
      conflicts: 0,
    });
    await using remembered = start(false);
    assert.equal(remembered.account().renewedAt, null);
  });

  it("counts renewals and attempts that failed", async () => {
    await using host = start(true);
    host.store.disconnect();
    await host.clock.advance(TTL - MARGIN + seconds(30));
    const { failed, renewed } = host.account();
    assert.ok(failed >= 4 && renewed === 0, String(failed));
    host.store.connect();
    await host.clock.advance(minutes(2));
    assert.deepEqual([host.account().renewed, host.account().failed > failed], [1, false]);
    assert.ok((host.account().renewedAt ?? 0) >= host.clock.now() - minutes(2));
  });

  it("counts records that were gone and were written again", async () => {
    await using host = start(true);
    host.store.delete(host.lease.key);
    await host.clock.advance(seconds(5));
    assert.deepEqual([host.account().lost, host.account().renewed], [1, 0]);
    assert.equal(host.account().conflicts, 0);
  });

  it("counts a conflict once, however often it is looked at", async () => {
    await using host = start(true);
    host.store.put(leaseOf({ ...SKETCH, publicIp: "192.168.64.9" }), { kind: "reserved" });
    await host.clock.advance(minutes(30));
    assert.equal(host.account().conflicts, 1);
    host.store.put(leaseOf({ ...SKETCH, publicIp: "192.168.64.10" }), { kind: "reserved" });
    await host.clock.advance(minutes(1));
    assert.equal(host.account().conflicts, 1);
    host.store.delete(host.lease.key);
    await host.clock.advance(minutes(10));
    host.store.put(leaseOf({ ...SKETCH, publicIp: "192.168.64.9" }), { kind: "reserved" });
    await host.clock.advance(minutes(1));
    assert.equal(host.account().conflicts, 2);
  });
});
