import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { minutes, seconds } from "../../../src/base/brand.ts";
import { FlannelError } from "../../../src/base/errors.ts";
import type { Revision } from "../../../src/subnet/lease.ts";
import { testLeaseStore } from "../../contract/lease-store.ts";
import type { StoreFixture } from "../../contract/lease-store-fixture.ts";
import { testOperatorStore } from "../../contract/operator-store.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createFakeLeaseStore } from "../../fakes/fake-lease-store.ts";
import { leaseOf } from "../../support/leases.ts";

async function openFake(): Promise<StoreFixture> {
  const clock = createFakeClock();
  const store = createFakeLeaseStore({ clock });
  return {
    store,
    clock,
    writeConfig: async (text) => store.writeConfig(text),
    write: async (records, ttl) => store.write(records, ttl),
    read: async (key) => store.records().get(key) ?? null,
    endLease: async (key) => store.endLease(key),
    leaseCount: async () => store.leaseCount(),
    compact: async () => store.compact(),
    [Symbol.asyncDispose]: async () => {},
  };
}

testLeaseStore("the fake lease store", openFake);
testOperatorStore("the fake lease store", openFake);

describe("the faults of the fake lease store", () => {
  const { signal } = new AbortController();
  const { subnet, attrs, key } = leaseOf({ subnet: "10.5.1.0/24", publicIp: "192.168.64.3" });

  it("let a lease expire when its time has come, and tell it", async () => {
    const clock = createFakeClock();
    const store = createFakeLeaseStore({ clock });
    await store.claim(subnet, attrs, minutes(1), signal);
    const events = store.watch((await store.list(signal)).revision, signal)[Symbol.asyncIterator]();
    const next = events.next();
    await clock.advance(seconds(59));
    assert.equal(store.records().size, 1);
    await clock.advance(seconds(1));
    const { value } = await next;
    assert.deepEqual(value.changes, [{ kind: "removed", key }]);
  });

  it("cut the connection: calls fail, watches say so once, and go on where they were", async () => {
    const store = createFakeLeaseStore({ clock: createFakeClock() });
    const events = store.watch("1" as Revision, signal)[Symbol.asyncIterator]();
    store.disconnect("nobody is there");
    assert.deepEqual((await events.next()).value, { kind: "disconnected", reason: "nobody is there" });
    await assert.rejects(store.list(signal), { code: "etcd.unavailable" });
    store.write({ foo: "bar" });
    store.disconnect(null);
    assert.deepEqual((await events.next()).value, { kind: "connected" });
    assert.equal((await events.next()).value.changes[0].record.key, "foo");
  });

  it("replace the store: watches are given the new one afresh", async () => {
    const store = createFakeLeaseStore({ clock: createFakeClock() });
    store.write({ foo: "bar" });
    const events = store.watch("2" as Revision, signal)[Symbol.asyncIterator]();
    const next = events.next();
    store.replace();
    assert.deepEqual((await next).value, { kind: "reset", list: { revision: "1", leases: [], bad: [] } });
  });

  it("fail a single call that has been told to", async () => {
    const store = createFakeLeaseStore({ clock: createFakeClock() });
    store.failNext("list", new FlannelError("etcd.denied", { op: "list", reason: "permission denied" }));
    await assert.rejects(store.list(signal), { code: "etcd.denied" });
    await store.list(signal);
    assert.deepEqual(store.calls(), ["list", "list"]);
  });
});
