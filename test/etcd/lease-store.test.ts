import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { EtcdServer } from "../../lab/etcd.ts";
import { waitFor } from "../../lab/wait.ts";
import { millis, minutes, seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { FlannelError } from "../../src/base/errors.ts";
import { systemRandom } from "../../src/base/random.ts";
import { createKeyspace } from "../../src/etcd/keyspace.ts";
import { claimLease, renewLease } from "../../src/etcd/lease-writes.ts";
import { operatorCalls } from "../../src/etcd/operator-store.ts";
import { type EtcdTransport, openTransport } from "../../src/etcd/transport.ts";
import type { Lease, LeaseAttrs } from "../../src/subnet/lease.ts";
import { testLeaseStore } from "../contract/lease-store.ts";
import { testOperatorStore } from "../contract/operator-store.ts";
import { leaseOf, peerNumber } from "../support/leases.ts";
import { type EtcdFixture, openEtcdFixture, startTestEtcd } from "./etcd-fixture.ts";

const { signal } = new AbortController();
setMaxListeners(0, signal);
const TTL = minutes(10);
const { subnet, attrs, key } = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.3" });
const changed: LeaseAttrs = { ...attrs, backendData: { VNI: 1, VtepMAC: "02:00:00:00:00:99" } };
let server: EtcdServer;
let fixture: EtcdFixture;

before(async () => {
  server = await startTestEtcd();
});
after(async () => server?.[Symbol.asyncDispose]());

testLeaseStore("the etcd lease store", () => openEtcdFixture(server));
testOperatorStore("the etcd lease store", () => openEtcdFixture(server));

describe("the etcd lease store", () => {
  beforeEach(async () => {
    fixture = await openEtcdFixture(server);
  });
  afterEach(async () => fixture[Symbol.asyncDispose]());

  const claim = async (ttl = TTL): Promise<Lease> => {
    const outcome = await fixture.store.claim(subnet, attrs, ttl, signal);
    assert.equal(outcome.kind, "claimed");
    return outcome.lease;
  };
  const raw = async (relative: string) =>
    (await fixture.admin.kv.range({ key: Buffer.from(`${fixture.prefix}/subnets/${relative}`) })).kvs[0];

  it("writes below <prefix>/subnets what the Go daemon would, under an etcd lease of that time", async () => {
    await claim();
    const record = await raw("10.5.52.0-24");
    assert.equal(
      record?.value.toString("latin1"),
      '{"PublicIP":"192.168.64.3","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:01"}}',
    );
    const lease = await fixture.admin.leaseClient.leaseTimeToLive({ ID: record?.lease ?? "0" });
    assert.equal(lease.grantedTTL, "600");
  });

  it("cleans the prefix like a path, and does not see what only begins like it", async () => {
    await claim();
    await fixture.admin.put(`${fixture.prefix}/subnets-old/10.5.1.0-24`).value("{}");
    await using other = await fixture.openStore({ prefix: `${fixture.prefix}//x/../` });
    const { leases, bad } = await other.list(signal);
    assert.deepEqual([leases.map((lease) => lease.key), bad], [[key], []]);
  });

  it("gives a subnet to one of 20 hosts, and takes back the etcd leases of the others", async () => {
    const stores = await Promise.all(Array.from({ length: 20 }, () => fixture.openStore()));
    const leases = await fixture.leaseCount();
    const outcomes = await Promise.all(stores.map((store) => store.claim(subnet, attrs, TTL, signal)));
    assert.equal(outcomes.filter(({ kind }) => kind === "claimed").length, 1);
    assert.equal(await fixture.leaseCount(), leases + 1);
    await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));
  });

  it("lists 2,000 leases with one request", async () => {
    const { kv } = fixture.admin;
    const records = Array.from({ length: 2000 }, (_, n) => peerNumber(n).key);
    const value = Buffer.from(`{"PublicIP":"192.168.64.3","BackendType":"vxlan","BackendData":"${"x".repeat(3000)}"}`);
    for (let first = 0; first < records.length; first += 100) {
      const puts = records.slice(first, first + 100).map((record) => ({
        request_put: { key: Buffer.from(`${fixture.prefix}/subnets/${record}`), value },
      }));
      await kv.txn({ success: puts });
    }
    const before = await countRequests();
    const { leases } = await fixture.store.list(signal);
    assert.equal(leases.length, 2000);
    assert.equal(await countRequests(), before + 1);
  });

  it("watches the network config from where it was read, without reading it again", async () => {
    await fixture.writeConfig("one");
    const before = await countRequests();
    assert.equal(await fixture.store.networkConfig(signal), "one");
    const stop = new AbortController();
    const texts = fixture.store.watchNetworkConfig(stop.signal)[Symbol.asyncIterator]();
    assert.equal((await texts.next()).value, "one");
    const next = texts.next();
    await fixture.writeConfig("two");
    assert.equal((await next).value, "two");
    // The reading, and the put of the other host.
    assert.equal(await countRequests(), before + 2);
    stop.abort();
    await texts.return?.(undefined);
  });

  it("extends the etcd lease when it renews, and sends no more than two requests", async () => {
    const lease = await claim();
    const remaining = async () =>
      Number((await fixture.admin.leaseClient.leaseTimeToLive({ ID: lease.version.leaseId })).TTL);
    // How late the answers come does not matter: the first end is told too early, the second one too late.
    const asked = systemClock.monotonic() / 1000;
    const end = asked + (await remaining());
    await waitFor("some seconds", async () => (await remaining()) <= 595 || null, seconds(60), signal);
    const before = await countRequests();
    await fixture.store.renew(lease, attrs, TTL, signal);
    assert.ok((await countRequests()) <= before + 2);
    const left = await remaining();
    assert.ok(systemClock.monotonic() / 1000 + left > end + 2, `${left} s`);
  });

  it("takes a new etcd lease when the old one was granted for less than is needed", async () => {
    const lease = await claim(seconds(30));
    const outcome = await fixture.store.renew(lease, attrs, TTL, signal);
    assert.equal(outcome.kind, "renewed");
    assert.notEqual(outcome.lease.version.leaseId, lease.version.leaseId);
    assert.deepEqual(await fixture.store.get(key, signal).then((found) => found?.version), outcome.lease.version);
    assert.equal((await raw(key))?.lease, outcome.lease.version.leaseId);
    assert.equal((await fixture.store.renew(outcome.lease, attrs, TTL, signal)).kind, "renewed");
  });

  it("leaves no etcd lease behind when a record was lost together with its own", async () => {
    const lease = await claim();
    await fixture.admin.leaseClient.leaseRevoke({ ID: lease.version.leaseId });
    const leases = await fixture.leaseCount();
    for (const wanted of [attrs, changed]) {
      assert.deepEqual(await fixture.store.renew(lease, wanted, TTL, signal), { kind: "lost", found: null });
    }
    assert.equal(await fixture.leaseCount(), leases);
  });

  it("knows a claim or a renewal whose answer was lost on the way for its own", async () => {
    await using lossy = await openLossyTransport();
    const means = { transport: lossy.transport, keyspace: createKeyspace(fixture.prefix), clock: systemClock };
    lossy.loseAnswers();
    const claimed = await claimLease(subnet, attrs, TTL, means, signal);
    assert.equal(claimed.kind, "claimed");
    assert.equal((await fixture.store.get(key, signal))?.version.modRevision, claimed.lease.version.modRevision);
    const renewed = await renewLease(claimed.lease, changed, TTL, means, signal);
    assert.equal(renewed.kind, "renewed");
    assert.deepEqual((await fixture.store.get(key, signal))?.version, renewed.lease.version);
  });

  it("knows what it wrote for an operator for its own when the answer was lost on the way", async () => {
    await using lossy = await openLossyTransport();
    const means = { transport: lossy.transport, keyspace: createKeyspace(fixture.prefix), clock: systemClock };
    const lease = await claim();
    const { revision } = await fixture.store.list(signal);
    const calls = operatorCalls(means);
    lossy.loseAnswers();
    assert.equal((await calls.putConfig("{}", { config: null, revision }, signal)).kind, "put");
    const reserved = await calls.setTerm(lease, null, signal);
    assert.equal(reserved.kind, "renewed");
    const released = await calls.setTerm(reserved.lease, TTL, signal);
    assert.equal(released.kind, "renewed");
    assert.deepEqual((await fixture.store.get(key, signal))?.version, released.lease.version);
    lossy.loseRequests();
    await assert.rejects(calls.setTerm(released.lease, null, signal), { code: "etcd.unavailable" });
    assert.deepEqual((await fixture.store.get(key, signal))?.version, released.lease.version);
  });

  it("gives the etcd lease back when a claim did not arrive", async () => {
    await using lossy = await openLossyTransport();
    const means = { transport: lossy.transport, keyspace: createKeyspace(fixture.prefix), clock: systemClock };
    const leases = await fixture.leaseCount();
    lossy.loseRequests();
    await assert.rejects(claimLease(subnet, attrs, TTL, means, signal), { code: "etcd.unavailable" });
    assert.equal(await fixture.leaseCount(), leases);
    assert.equal(await fixture.read(key), null);
  });
});

/** RPCs that etcd has answered. */
async function countRequests(): Promise<number> {
  const metrics = await (await fetch(`${server.endpoint}/metrics`)).text();
  const counts = [...metrics.matchAll(/^grpc_server_handled_total\{.*grpc_service="etcdserverpb\.\w+".*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

/** The real transport, which loses the transactions or the answers to them. */
async function openLossyTransport() {
  const tls = { caFile: null, certFile: null, keyFile: null };
  const options = { endpoints: [server.endpoint], prefix: "/", tls, auth: null };
  const real = await openTransport(options, null, { clock: systemClock, random: systemRandom });
  let lost: "requests" | "answers" | null = null;
  const transport: EtcdTransport = {
    ...real,
    async txn(op, request, signal) {
      const answer = lost === "requests" ? null : await real.txn(op, request, signal);
      if (answer && lost === null) return answer;
      throw new FlannelError("etcd.unavailable", { op, reason: `no answer within ${millis(5000)} ms` });
    },
  };
  return {
    transport,
    loseRequests: () => {
      lost = "requests";
    },
    loseAnswers: () => {
      lost = "answers";
    },
    [Symbol.asyncDispose]: async () => real[Symbol.dispose](),
  };
}
