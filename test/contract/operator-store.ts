// What every store does for an operator, run on the fake and on a real etcd, like test/contract/lease-store.ts.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { minutes, seconds } from "../../src/base/brand.ts";
import type { Lease, SubnetKey } from "../../src/subnet/lease.ts";
import type { OperatorStore, StoreView } from "../../src/subnet/operator-store.ts";
import { leaseOf } from "../support/leases.ts";
import type { StoreFixture } from "./lease-store-fixture.ts";

const TTL = minutes(10);
const { key: KEY, subnet: SUBNET, attrs: ATTRS } = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.3" });
/** As the Go daemon would not write it, but reads it: what is in a record must survive. */
const TEXT = '{ "publicip": "192.168.64.3", "BackendType": "vxlan", "Note": "rack 7" }';
const CONFIG = '{"Network":"10.5.0.0/16"}';
const { signal } = new AbortController();

export function testOperatorStore(name: string, open: () => Promise<StoreFixture>): void {
  describe(`${name}, for an operator`, () => {
    let fixture: StoreFixture;
    let store: OperatorStore;
    beforeEach(async () => {
      fixture = await open();
      store = fixture.store;
    });
    afterEach(async () => fixture[Symbol.asyncDispose]());

    const view = async (): Promise<StoreView> => {
      const config = await store.config(signal);
      const { revision } = await store.list(signal);
      return { config, revision };
    };
    const written = async (ttl?: typeof TTL): Promise<Lease> => {
      await fixture.write({ [KEY]: TEXT }, ttl);
      const lease = await store.get(KEY, signal);
      assert.ok(lease);
      return lease;
    };

    it("knows the revision of the network config", async () => {
      assert.equal(await store.config(signal), null);
      await fixture.writeConfig(CONFIG);
      const first = await store.config(signal);
      await fixture.writeConfig(CONFIG);
      const second = await store.config(signal);
      assert.deepEqual([first?.text, second?.text], [CONFIG, CONFIG]);
      assert.notEqual(first?.modRevision, second?.modRevision);
    });

    it("writes the first network config and the next, each with its revision", async () => {
      for (const text of [CONFIG, '{ "Network": "10.6.0.0/16" }\n']) {
        const outcome = await store.putConfig(text, await view(), signal);
        assert.equal(outcome.kind, "put");
        assert.deepEqual(await store.config(signal), outcome.config);
        assert.equal(await store.networkConfig(signal), text);
      }
    });

    it("does not write the network config over one that it has not seen", async () => {
      const before = await view();
      await fixture.writeConfig(CONFIG);
      assert.deepEqual(await store.putConfig("{}", before, signal), { kind: "changed" });
      const seen = await view();
      await fixture.writeConfig(CONFIG);
      assert.deepEqual(await store.putConfig("{}", seen, signal), { kind: "changed" });
      assert.equal(await store.networkConfig(signal), CONFIG);
    });

    it("does not write the network config when a record was created since, but when one was renewed or has ended", async () => {
      await fixture.writeConfig(CONFIG);
      await fixture.write({ "10.5.1.0-24": TEXT, "10.5.2.0-24": TEXT });
      const before = await view();
      await fixture.write({ "10.5.1.0-24": TEXT });
      await fixture.write({ "10.5.2.0-24": null });
      assert.equal((await store.putConfig("{}", before, signal)).kind, "put");
      const seen = await view();
      await fixture.write({ "10.5.3.0-24": TEXT });
      assert.deepEqual(await store.putConfig("[]", seen, signal), { kind: "changed" });
      assert.equal(await store.networkConfig(signal), "{}");
    });

    it("reserves a free subnet: a record like the Go daemon's, without an etcd lease", async () => {
      const leases = await fixture.leaseCount();
      const outcome = await store.reserve(SUBNET, ATTRS, await view(), signal);
      assert.equal(outcome.kind, "reserved");
      assert.deepEqual(await store.get(KEY, signal), outcome.lease);
      assert.deepEqual([outcome.lease.term, outcome.lease.version.leaseId], [{ kind: "reserved" }, "0"]);
      assert.equal(await fixture.leaseCount(), leases);
    });

    it("reserves nothing that is taken, nor when a record was created or the config written since", async () => {
      const before = await view();
      await fixture.write({ "10.5.1.0-24": TEXT });
      assert.deepEqual(await store.reserve(SUBNET, ATTRS, before, signal), { kind: "changed" });
      const seen = await view();
      await fixture.writeConfig(CONFIG);
      assert.deepEqual(await store.reserve(SUBNET, ATTRS, seen, signal), { kind: "changed" });
      await fixture.write({ [KEY]: "no lease" });
      assert.deepEqual(await store.reserve(SUBNET, ATTRS, await view(), signal), { kind: "changed" });
      assert.equal(await fixture.read(KEY), "no lease");
    });

    it("makes a lease last for ever and for a time again, and leaves its value alone", async () => {
      const lease = await written(TTL);
      const reserved = await store.setTerm(lease, null, signal);
      assert.equal(reserved.kind, "renewed");
      assert.deepEqual(reserved.lease.term, { kind: "reserved" });
      assert.deepEqual(await store.get(KEY, signal), reserved.lease);
      const before = fixture.clock.now();
      const released = await store.setTerm(reserved.lease, minutes(20), signal);
      assert.equal(released.kind, "renewed");
      const { term, version } = released.lease;
      assert.ok(term.kind === "until" && term.at >= before + minutes(20) - seconds(1));
      assert.deepEqual((await store.get(KEY, signal))?.version, version);
      assert.equal(await fixture.read(KEY), TEXT);
    });

    it("takes a record from its etcd lease, which others keep and whose end the reservation survives", async () => {
      await fixture.write({ [KEY]: TEXT, other: "x" }, TTL);
      const lease = await store.get(KEY, signal);
      assert.equal(lease && (await store.setTerm(lease, null, signal)).kind, "renewed");
      assert.equal(await fixture.read("other"), "x");
      await fixture.endLease("other");
      assert.deepEqual([await fixture.read("other"), await fixture.read(KEY)], [null, TEXT]);
    });

    it("does not touch the term of a record that was rewritten or is gone, and leaves no etcd lease behind", async () => {
      const lease = await written();
      await fixture.write({ [KEY]: TEXT.replace("64.3", "64.99") });
      const leases = await fixture.leaseCount();
      for (const ttl of [null, TTL]) {
        const outcome = await store.setTerm(lease, ttl, signal);
        assert.equal(outcome.kind === "lost" && outcome.found?.attrs.publicIp, "192.168.64.99");
      }
      await fixture.write({ [KEY]: null });
      for (const ttl of [null, TTL]) {
        assert.deepEqual(await store.setTerm(lease, ttl, signal), { kind: "lost", found: null });
      }
      assert.equal(await fixture.leaseCount(), leases);
    });

    it("deletes a record that is no lease, whatever its key, and nothing else", async () => {
      await fixture.write({ [KEY]: "no lease", "foo/bar baz": "x", foo: "y" }, TTL);
      for (const key of [KEY, "foo/bar baz"]) {
        assert.deepEqual(await store.removeBad(key, signal), { kind: "removed" });
        assert.equal(await fixture.read(key), null);
        assert.deepEqual(await store.removeBad(key, signal), { kind: "changed" });
      }
      assert.equal(await fixture.read("foo"), "y");
      await written();
      assert.deepEqual(await store.removeBad(KEY, signal), { kind: "changed" });
      assert.equal(await fixture.read(KEY), TEXT);
    });

    it("would take a lease, and is asked without writing anything", async () => {
      const before = await view();
      assert.equal(await store.refusal(signal), null);
      assert.deepEqual(await view(), before);
    });

    it("tells how long a record lasts", async () => {
      const lease = await written(TTL);
      const term = await store.timeLeft(lease, signal);
      assert.ok(term.kind === "until" && Math.abs(term.at - fixture.clock.now() - TTL) <= seconds(5));
      await fixture.endLease(KEY);
      const ended = await store.timeLeft(lease, signal);
      assert.ok(ended.kind === "until" && ended.at <= fixture.clock.now());
      await fixture.write({ "10.5.7.0-24": TEXT });
      const reserved = await store.get("10.5.7.0-24" as SubnetKey, signal);
      assert.ok(reserved);
      assert.deepEqual(await store.timeLeft(reserved, signal), { kind: "reserved" });
    });
  });
}
