import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { after, before, describe, it } from "node:test";
import type { EtcdServer } from "../../lab/etcd.ts";
import { type GrpcProxy, startGrpcProxy } from "../../lab/grpc-proxy.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { LeaseStore, StoreEvent } from "../../src/subnet/lease-store.ts";
import { testLeaseStore } from "../contract/lease-store.ts";
import { peerNumber } from "../support/leases.ts";
import { type EtcdFixture, openEtcdFixture, startTestEtcd } from "./etcd-fixture.ts";

const { signal } = new AbortController();
const LIMIT = seconds(60);
const VALUE = '{"PublicIP":"192.168.64.3","PublicIPv6":null,"BackendType":"vxlan"}';
let server: EtcdServer;
let proxy: GrpcProxy;

before(async () => {
  server = await startTestEtcd();
  proxy = await startGrpcProxy(server, signal);
});
after(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

testLeaseStore("the etcd lease store behind a grpc-proxy", () => openEtcdFixture(server, proxy.endpoint));

describe("many hosts behind one grpc-proxy", () => {
  const HOSTS = 20;
  let fixture: EtcdFixture;
  let stores: (LeaseStore & AsyncDisposable)[];
  let controller: AbortController;

  before(async () => {
    fixture = await openEtcdFixture(server, proxy.endpoint);
    stores = await Promise.all(Array.from({ length: HOSTS }, () => fixture.openStore()));
    controller = new AbortController();
    setMaxListeners(0, controller.signal);
  });
  after(async () => {
    controller?.abort();
    for (const store of [...(stores ?? []), fixture?.store]) await store?.[Symbol.asyncDispose]();
    fixture?.admin.close();
  });

  /** What each host hears from now on, in words. */
  const followAll = () =>
    Promise.all(
      stores.map(async (store) => {
        const heard: string[] = [];
        const { revision } = await store.list(signal);
        void (async () => {
          for await (const event of store.watch(revision, controller.signal)) heard.push(describeEvent(event));
        })();
        return heard;
      }),
    );
  const untilAllHeard = async (all: readonly (readonly string[])[], what: string) =>
    void (await waitFor(
      `"${what}" at every host`,
      () => all.every((heard) => heard.includes(what)) || null,
      LIMIT,
      signal,
    ));

  it("are one watch to etcd, and lose nothing to the proxy's restart or etcd's, nor take it for another store", async () => {
    const watches = await countWatches(server);
    const all = await followAll();
    await fixture.write({ [peerNumber(1).key]: VALUE });
    await untilAllHeard(all, `put ${peerNumber(1).key}`);
    // The proxy merges watches that have come equally far, in the background.
    await waitFor(
      "one watch for all hosts",
      async () => (await countWatches(server)) <= watches + 1 || null,
      LIMIT,
      signal,
    );

    await proxy.restart();
    await fixture.write({ [peerNumber(2).key]: VALUE });
    await untilAllHeard(all, `put ${peerNumber(2).key}`);

    await server.stop();
    await server.start();
    await fixture.write({ [peerNumber(3).key]: VALUE });
    await untilAllHeard(all, `put ${peerNumber(3).key}`);
    for (const heard of all) {
      assert.ok(heard.includes("disconnected"));
      assert.deepEqual(
        heard.filter((what) => !/connected$/.test(what)),
        [1, 2, 3].map((n) => `put ${peerNumber(n).key}`),
      );
    }
  });

  it("get a list that is larger than the proxy lets pass by default", async () => {
    for (let first = 0; first < 10_000; first += 100) {
      const keys = Array.from({ length: 100 }, (_, n) => peerNumber(first + n).key);
      await fixture.write(Object.fromEntries(keys.map((key) => [key, VALUE.padEnd(250)])));
    }
    // On a machine with other work the first answer may come after the deadline.
    const list = () => fixture.store.list(signal).catch(() => null);
    assert.equal((await waitFor("the list", list, LIMIT, signal)).leases.length, 10_000);
  });
});

function describeEvent(event: StoreEvent): string {
  if (event.kind !== "changes") return event.kind;
  return event.changes.map((change) => (change.kind === "put" ? `put ${change.lease.key}` : change.kind)).join();
}

async function countWatches({ endpoint }: EtcdServer): Promise<number> {
  const metrics = await (await fetch(`${endpoint}/metrics`)).text();
  return Number(/^etcd_debugging_mvcc_watcher_total (\d+)$/m.exec(metrics)?.[1]);
}
