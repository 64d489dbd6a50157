import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { minutes } from "../../../src/base/brand.ts";
import { createLeaseHolder } from "../../../src/subnet/hold-lease.ts";
import type { LeaseStore } from "../../../src/subnet/lease-store.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createFakeLeaseStore } from "../../fakes/fake-lease-store.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { leaseOf } from "../../support/leases.ts";

const TTL = minutes(24 * 60);
const OWN = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.2", mac: "02:00:00:00:00:52" });
const OTHERS =
  '{"PublicIP":"192.168.64.9","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:09"}}';

/** A host whose record was overwritten with what is no lease before it looks. */
async function spoilt(wrap: (port: LeaseStore, write: (text: string) => void) => LeaseStore = (port) => port) {
  const clock = createFakeClock();
  const store = createFakeLeaseStore({ clock });
  const log = createCapturedLog();
  const stop = new AbortController();
  const outcome = await store.claim(OWN.subnet, OWN.attrs, TTL, stop.signal);
  assert.equal(outcome.kind, "claimed");
  const record = store.records().get(OWN.key);
  const write = (text: string) => store.write({ [OWN.key]: text });
  write("{");
  const deps = { store: wrap(store, write), clock, random: createSeededRandom(1), log, onChange: () => {} };
  const list = { revision: outcome.lease.version.modRevision, leases: [outcome.lease], bad: [] };
  const acquired = { lease: outcome.lease, list, fresh: false };
  const holder = createLeaseHolder(acquired, { ttl: TTL, margin: minutes(60) }, deps);
  const running = holder.run(stop.signal).catch(() => {});
  await clock.advance(1000);
  return {
    log,
    holder,
    record,
    now: () => store.records().get(OWN.key),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

describe("a lease whose record was overwritten with what is no lease", () => {
  it("is held on, and its record is written again at once, to last as long as ever", async () => {
    await using host = await spoilt();
    assert.equal(host.now(), host.record);
    assert.equal(host.holder.isHeld(), true);
    assert.equal(host.holder.trouble(), null);
    assert.equal(host.holder.lease().term.kind, "until");
    assert.deepEqual(host.log.messages(), [
      "the record of this host's lease was overwritten with what is no lease; wrote it again",
    ]);
  });

  it("is another's when that was faster", async () => {
    await using host = await spoilt((port, write) => ({
      ...port,
      async replaceBad(...args) {
        write(OTHERS);
        return await port.replaceBad(...args);
      },
    }));
    assert.equal(host.now(), OTHERS);
    assert.equal(host.holder.isHeld(), false);
  });
});
