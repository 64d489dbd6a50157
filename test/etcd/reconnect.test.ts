// A host whose address has changed: nothing arrives on its connections any more, and nobody is told. The proxy plays that.

import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { EtcdServer } from "../../lab/etcd.ts";
import { waitFor } from "../../lab/wait.ts";
import { minutes, seconds } from "../../src/base/brand.ts";
import type { TlsOptions } from "../../src/cli/options.ts";
import type { Lease } from "../../src/subnet/lease.ts";
import type { OpenLeaseStore } from "../../src/subnet/lease-store.ts";
import { type Office, openOffice } from "../support/certificates.ts";
import { leaseOf } from "../support/leases.ts";
import { openTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { openStore, startTestEtcd } from "./etcd-fixture.ts";

const { signal } = new AbortController();
setMaxListeners(0, signal);
const LIMIT = seconds(40);
const { subnet, attrs } = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.3" });
const OTHER = leaseOf({ subnet: "10.5.53.0/24", publicIp: "192.168.64.4" });
const PLAIN: TlsOptions = { caFile: null, certFile: null, keyFile: null };

function suite(scheme: "http" | "https", startServer: () => Promise<readonly [EtcdServer, TlsOptions]>): void {
  let server: EtcdServer;
  let proxy: TcpProxy;
  let store: OpenLeaseStore;
  let other: OpenLeaseStore;
  let controller: AbortController;

  beforeEach(async () => {
    const [started, tls] = await startServer();
    server = started;
    proxy = await openTcpProxy({ host: "127.0.0.1", port: Number(new URL(server.endpoint).port) });
    store = await openStore({ endpoints: [`${scheme}://127.0.0.1:${proxy.port}`], tls });
    other = await openStore({ endpoints: [server.endpoint], tls });
    controller = new AbortController();
  });
  afterEach(async () => {
    controller?.abort();
    await other?.[Symbol.asyncDispose]();
    await store?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  /** Begins a call on what is connected, and what is connected is dead then; new connections work. */
  async function loseConnections<T>(call: () => Promise<T>): Promise<{ readonly called: Promise<T> }> {
    const before = proxy.swallowed();
    proxy.swallow();
    const called = call();
    called.catch(() => {});
    await waitFor("a request that is lost", () => proxy.swallowed() > before || null, LIMIT, signal);
    proxy.pass();
    return { called };
  }

  async function claim(): Promise<Lease> {
    const outcome = await store.claim(subnet, attrs, minutes(10), signal);
    assert.equal(outcome.kind, "claimed");
    return outcome.lease;
  }

  it("has its questions answered by new connections, and its watch goes on without a word and misses nothing", async () => {
    const { version } = await claim();
    const events = store.watch(version.modRevision, controller.signal)[Symbol.asyncIterator]();
    const first = events.next();
    // With an event of it the watch is known to be there.
    assert.equal((await other.claim(OTHER.subnet, OTHER.attrs, minutes(10), signal)).kind, "claimed");
    const { value: heard } = await first;
    assert.ok(heard?.kind === "changes");
    const reading = events.next();
    const { called } = await loseConnections(() => store.list(signal));
    store.reconnect();
    const { leases } = await called;
    assert.equal(leases.length, 2);
    const removed = leases.find((lease) => lease.subnet.v4 === subnet.v4);
    assert.ok(removed);
    await other.remove(removed, signal);
    const { value } = await reading;
    assert.deepEqual(value?.kind === "changes" && value.changes, [{ kind: "removed", key: removed.key }]);
    assert.equal(store.health().trouble, null);
  });

  it("hears at once that it is not known whether a write was carried out, and can write", async () => {
    const lease = await claim();
    const { called } = await loseConnections(() => store.remove(lease, signal));
    store.reconnect();
    await assert.rejects(called, {
      code: "etcd.unavailable",
      message: /the connection was given up: this host's address/,
    });
    assert.deepEqual(await store.remove(lease, signal), { kind: "removed" });
  });

  it("does not wait for a connection that was being made when its address changed", async () => {
    const { called } = await loseConnections(() => store.list(signal));
    store.reconnect();
    assert.deepEqual((await called).leases, []);
  });
}

describe("a host whose address has changed", () => {
  suite("http", async () => [await startTestEtcd(), PLAIN]);
});

describe("a host whose address has changed, with TLS", () => {
  let office: Office;
  before(() => {
    office = openOffice(signal);
  });
  after(() => office?.[Symbol.dispose]());

  suite("https", async () => {
    const authority = await office.authority("etcd-ca");
    const server = await startTestEtcd({ tls: await authority.server(["127.0.0.1"]) });
    return [server, { ...PLAIN, caFile: authority.caFile }];
  });
});
