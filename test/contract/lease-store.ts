// What every lease store does, run on the fake and on a real etcd.

import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { afterEach, beforeEach, describe, it } from "node:test";
import { minutes, seconds } from "../../src/base/brand.ts";
import { parsePrefix4 } from "../../src/base/ip.ts";
import type { Lease, LeaseAttrs, Revision, Subnet, SubnetKey } from "../../src/subnet/lease.ts";
import type { LeaseChange, StoreEvent } from "../../src/subnet/lease-store.ts";
import type { OperatorStore } from "../../src/subnet/operator-store.ts";
import { leaseOf } from "../support/leases.ts";
import { changesOf, describeChange, KEY, OTHER_TEXT, type StoreFixture, TEXT } from "./lease-store-fixture.ts";
import { rekeyContract } from "./lease-store-rekey.ts";
import { watchContract } from "./lease-store-watch.ts";

/** A store without any records, and the world around it. */
const TTL = minutes(10);
const SUBNET: Subnet = { v4: parsePrefix4("10.5.52.0/24"), v6: null };
const ATTRS: LeaseAttrs = leaseOf({
  subnet: "10.5.52.0/24",
  publicIp: "192.168.64.3",
  mac: "c6:d2:32:6f:8f:44",
}).attrs;
const OTHER_ATTRS: LeaseAttrs = { ...ATTRS, backendData: { VNI: 1, VtepMAC: "02:00:00:00:00:02" } };

export function testLeaseStore(name: string, open: () => Promise<StoreFixture>): void {
  describe(name, () => {
    let fixture: StoreFixture;
    let store: OperatorStore;
    let controller: AbortController;
    let signal: AbortSignal;
    beforeEach(async () => {
      fixture = await open();
      store = fixture.store;
      controller = new AbortController();
      setMaxListeners(0, controller.signal);
      signal = controller.signal;
    });
    afterEach(async () => {
      controller.abort();
      await fixture[Symbol.asyncDispose]();
    });

    const claim = async (attrs = ATTRS): Promise<Lease> => {
      const outcome = await store.claim(SUBNET, attrs, TTL, signal);
      assert.equal(outcome.kind, "claimed");
      return outcome.lease;
    };
    const revision = async (): Promise<Revision> => (await store.list(signal)).revision;
    const renewed = async (lease: Lease, attrs: LeaseAttrs): Promise<Lease> => {
      const outcome = await store.renew(lease, attrs, TTL, signal);
      assert.equal(outcome.kind, "renewed");
      return outcome.lease;
    };
    const follow = (from: Revision) => store.watch(from, signal)[Symbol.asyncIterator]();
    /** All changes up to one that is certain to be seen: what comes before it is all that there was. */
    const untilMarker = async (events: AsyncIterator<StoreEvent>): Promise<readonly LeaseChange[]> => {
      await fixture.write({ marker: "x" });
      const seen: LeaseChange[] = [];
      for (;;) {
        const changes = changesOf((await events.next()).value);
        const marker = changes.findIndex((change) => describeChange(change) === "bad marker");
        seen.push(...changes.slice(0, marker === -1 ? undefined : marker));
        if (marker !== -1) return seen;
      }
    };

    it("has no network config until one is written, and then its very text", async () => {
      assert.equal(await store.networkConfig(signal), null);
      await fixture.writeConfig('{ "Network": "10.5.0.0/16" }\n');
      assert.equal(await store.networkConfig(signal), '{ "Network": "10.5.0.0/16" }\n');
    });

    it("surveys the network config and the leases as of one revision, and watches go on from there", async () => {
      await fixture.write({ "10.5.7.0-24": OTHER_TEXT, foo: "bar" });
      assert.equal((await store.survey(signal)).config, null);
      await fixture.writeConfig("{}");
      const { config, list } = await store.survey(signal);
      assert.equal(config, "{}");
      assert.deepEqual(list, await store.list(signal));
      const told = store.watchNetworkConfig(signal)[Symbol.asyncIterator]();
      assert.equal((await told.next()).value, "{}");
      const events = follow(list.revision);
      await fixture.write({ "10.5.8.0-24": TEXT });
      const keys = changesOf((await events.next()).value).map(describeChange);
      assert.equal(keys.length, 1);
      assert.match(keys[0] ?? "", /10\.5\.8\.0-24/);
    });

    it("tells the network config as it is and each time that it is another", async () => {
      const told = store.watchNetworkConfig(signal)[Symbol.asyncIterator]();
      assert.deepEqual(await told.next(), { done: false, value: null });
      for (const text of ['{"Network":"10.5.0.0/16"}', '{"Network":"10.5.0.0/15"}', null, "{}"]) {
        await fixture.writeConfig(text);
        assert.deepEqual(await told.next(), { done: false, value: text });
      }
      controller.abort();
      assert.equal((await told.next()).done, true);
    });

    it("lists leases by key, reservations and what is no lease, each for what it is", async () => {
      await fixture.write({ "10.5.7.0-24": OTHER_TEXT, foo: "bar", "10.5.8.1-24": TEXT });
      await fixture.write({ "10.5.6.0-24": TEXT }, TTL);
      const { leases, bad } = await store.list(signal);
      assert.deepEqual(
        leases.map(({ key, term, attrs }) => [key, term.kind, attrs.publicIp]),
        [
          ["10.5.6.0-24", "leased", "192.168.64.3"],
          ["10.5.7.0-24", "reserved", "192.168.64.99"],
        ],
      );
      assert.deepEqual(
        bad.map(({ key }) => key),
        ["10.5.8.1-24", "foo"],
      );
    });

    it("counts all records and names the ones put since a revision, whatever they are", async () => {
      await fixture.write({ "10.5.7.0-24": OTHER_TEXT, "10.5.8.0-24": TEXT });
      const since = await revision();
      await fixture.write({ "10.5.8.0-24": OTHER_TEXT, foo: "bar" });
      const { count, newer } = await store.census(since, signal);
      assert.equal(count, 3);
      assert.deepEqual(newer.map(({ key }) => key).toSorted(), ["10.5.8.0-24", "foo"]);
      assert.ok(newer.every(({ modRevision }) => BigInt(modRevision) > BigInt(since)));
    });

    it("claims a free subnet: the record is the Go daemon's, and lasts as long as was asked for", async () => {
      const before = fixture.clock.now();
      const { key, subnet, attrs, term, version } = await claim();
      assert.deepEqual({ key, subnet, attrs }, { key: KEY, subnet: SUBNET, attrs: ATTRS });
      assert.equal(await fixture.read(KEY), TEXT);
      assert.ok(term.kind === "until" && term.at >= before + TTL && term.at <= fixture.clock.now() + TTL);
      assert.equal((await store.list(signal)).leases[0]?.version.modRevision, version.modRevision);
    });

    it("finds a subnet taken by whatever record there is, and leaves nothing behind", async () => {
      await fixture.write({ [KEY]: "no lease" });
      const leases = await fixture.leaseCount();
      assert.deepEqual(await store.claim(SUBNET, ATTRS, TTL, signal), { kind: "taken" });
      assert.equal(await fixture.read(KEY), "no lease");
      assert.equal(await fixture.leaseCount(), leases);
    });

    it("replaces a record that is no lease, for as long as was asked for", async () => {
      await fixture.write({ [KEY]: "no lease" });
      const before = fixture.clock.now();
      const outcome = await store.replaceBad(SUBNET, ATTRS, TTL, signal);
      assert.ok(outcome.kind === "claimed" && outcome.lease.term.kind === "until");
      assert.ok(outcome.lease.term.at >= before + TTL && outcome.lease.term.at <= fixture.clock.now() + TTL);
      assert.equal(await fixture.read(KEY), TEXT);
      await renewed(outcome.lease, OTHER_ATTRS);
    });

    it("replaces neither a lease nor a record that is gone, and leaves nothing behind", async () => {
      const leases = await fixture.leaseCount();
      assert.deepEqual(await store.replaceBad(SUBNET, ATTRS, TTL, signal), { kind: "taken" });
      assert.equal(await fixture.read(KEY), null);
      await fixture.write({ [KEY]: OTHER_TEXT });
      assert.deepEqual(await store.replaceBad(SUBNET, ATTRS, TTL, signal), { kind: "taken" });
      assert.equal(await fixture.read(KEY), OTHER_TEXT);
      assert.equal(await fixture.leaseCount(), leases);
    });

    rekeyContract(() => ({ store, signal, leaseCount: () => fixture.leaseCount() }));

    it("gives a subnet to exactly one of many who claim it at once", async () => {
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => store.claim(SUBNET, ATTRS, TTL, signal)));
      assert.equal(outcomes.filter(({ kind }) => kind === "claimed").length, 1);
    });

    it("gets a record with its remaining time, a reservation, and nothing", async () => {
      assert.equal(await store.get(KEY, signal), null);
      const lease = await claim();
      const got = await store.get(KEY, signal);
      assert.deepEqual({ ...got, term: null }, { ...lease, term: null });
      assert.ok(got?.term.kind === "until" && Math.abs(got.term.at - fixture.clock.now() - TTL) <= seconds(5));
      await fixture.write({ "10.5.7.0-24": TEXT });
      assert.deepEqual((await store.get("10.5.7.0-24" as SubnetKey, signal))?.term, { kind: "reserved" });
      await fixture.write({ "10.5.9.0-24": "no lease" });
      assert.equal(await store.get("10.5.9.0-24" as SubnetKey, signal), null);
    });

    it("renews an unchanged lease without anybody noticing", async () => {
      const lease = await claim();
      const events = follow(await revision());
      const after = await renewed(lease, ATTRS);
      assert.deepEqual({ ...after, term: null }, { ...lease, term: null });
      assert.ok(after.term.kind === "until" && lease.term.kind === "until" && after.term.at >= lease.term.at);
      assert.deepEqual(await untilMarker(events), []);
    });

    it("renews a lease with new attributes in place, under the same etcd lease", async () => {
      const lease = await claim();
      const events = follow(await revision());
      const after = await renewed(lease, OTHER_ATTRS);
      assert.deepEqual(after.attrs, OTHER_ATTRS);
      assert.equal(after.version.leaseId, lease.version.leaseId);
      assert.equal(after.term.kind, "until");
      const put = { ...after, term: { kind: "leased" } };
      assert.deepEqual(await untilMarker(events), [{ kind: "put", lease: put }]);
      await renewed(after, OTHER_ATTRS);
    });

    it("keeps a reservation a reservation, with or without new attributes", async () => {
      await fixture.write({ [KEY]: TEXT });
      const found = await store.get(KEY, signal);
      assert.ok(found);
      const same = await renewed(found, ATTRS);
      assert.deepEqual(same, found);
      const changed = await renewed(same, OTHER_ATTRS);
      assert.deepEqual(changed.term, { kind: "reserved" });
      assert.equal(changed.version.leaseId, "0");
      assert.deepEqual((await store.get(KEY, signal))?.attrs, OTHER_ATTRS);
    });

    it("does not renew a record that is gone, or that its etcd lease has taken with it", async () => {
      const leases = await fixture.leaseCount();
      const lease = await claim();
      await fixture.endLease(KEY);
      for (const attrs of [ATTRS, OTHER_ATTRS]) {
        assert.deepEqual(await store.renew(lease, attrs, TTL, signal), { kind: "lost", found: null });
      }
      assert.equal(await fixture.read(KEY), null);
      assert.equal(await fixture.leaseCount(), leases);
    });

    it("does not renew a record that somebody else has written, and says whose it is", async () => {
      const lease = await claim();
      await fixture.write({ [KEY]: OTHER_TEXT });
      for (const attrs of [ATTRS, OTHER_ATTRS]) {
        const outcome = await store.renew(lease, attrs, TTL, signal);
        assert.equal(outcome.kind === "lost" && outcome.found?.attrs.publicIp, "192.168.64.99");
      }
      assert.equal(await fixture.read(KEY), OTHER_TEXT);
    });

    it("removes a record if it is the one that was meant", async () => {
      const lease = await claim();
      assert.deepEqual(await store.remove(lease, signal), { kind: "removed" });
      assert.deepEqual(await store.remove(lease, signal), { kind: "changed" });
      await fixture.write({ [KEY]: OTHER_TEXT });
      assert.deepEqual(await store.remove(lease, signal), { kind: "changed" });
      assert.equal(await fixture.read(KEY), OTHER_TEXT);
    });

    watchContract(() => ({ fixture, signal, claim, follow, untilMarker }));

    it("ends a watch quietly, and a call with the reason, when the signal aborts", async () => {
      const events = follow(await revision());
      const next = events.next();
      controller.abort(new Error("enough"));
      assert.deepEqual(await next, { done: true, value: undefined });
      await assert.rejects(store.list(signal), /enough/);
    });
  });
}
