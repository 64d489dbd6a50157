// Endpoints of two etcds in one list, as after a mistake in an environment file.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import { type EtcdServer, startEtcd } from "../../lab/etcd.ts";
import { freePorts } from "../../lab/server-process.ts";
import { minutes } from "../../src/base/brand.ts";
import type { StoreEvent } from "../../src/subnet/lease-store.ts";
import { leaseOf } from "../support/leases.ts";
import { openStore } from "./etcd-fixture.ts";

const KEY = "/coreos.com/network/subnets/10.5.52.0-24";
const VALUE = '{"PublicIP":"192.168.64.3","PublicIPv6":null,"BackendType":"vxlan"}';
const { subnet, attrs } = leaseOf({ subnet: "10.5.53.0/24", publicIp: "192.168.64.3" });
const TELLS = /belong to different etcd clusters.*; name the endpoints of one cluster alone in -etcd-endpoints$/;
let controller: AbortController;
let ours: EtcdServer;
let theirs: EtcdServer;

beforeEach(async () => {
  controller = new AbortController();
  [ours, theirs] = await Promise.all([startEtcd({}, controller.signal), startEtcd({}, controller.signal)]);
});
afterEach(async () => {
  controller.abort();
  await Promise.all([ours, theirs].map((server) => server?.[Symbol.asyncDispose]()));
});

async function put(server: EtcdServer, times = 1): Promise<void> {
  const admin = new Etcd3({ hosts: server.endpoint });
  for (let n = 0; n < times; n++) await admin.put(KEY).value(VALUE);
  admin.close();
}

async function recordsOf(server: EtcdServer): Promise<number> {
  const admin = new Etcd3({ hosts: server.endpoint });
  const { count } = await admin.kv.range({ key: Buffer.from(KEY.slice(0, 28)), range_end: Buffer.from("0") });
  admin.close();
  return Number(count);
}

describe("endpoints of two etcds", () => {
  it("are used for nothing, whichever is asked first", async () => {
    const { signal } = controller;
    for (let n = 0; n < 6; n++) {
      await using store = await openStore({ endpoints: [ours.endpoint, theirs.endpoint] });
      await assert.rejects(store.list(signal), TELLS);
      await assert.rejects(store.claim(subnet, attrs, minutes(1), signal), TELLS);
      assert.match(store.health().trouble ?? "", TELLS);
    }
    assert.deepEqual(await Promise.all([ours, theirs].map(recordsOf)), [0, 0]);
  });

  it("that were both set up alike, so that they have one id, are told apart by what they have been through", async () => {
    await theirs[Symbol.asyncDispose]();
    const [port = 0] = await freePorts("127.0.0.1");
    // Their peers are not reached, and so one address may be said twice.
    theirs = await startEtcd(
      { port, member: ours.member, flags: ["--listen-peer-urls=http://127.0.0.1:0"] },
      controller.signal,
    );
    await put(ours, 3);
    for (let n = 0; n < 6; n++) {
      await using store = await openStore({ endpoints: [ours.endpoint, theirs.endpoint] });
      await assert.rejects(
        store.list(controller.signal),
        /although all have the id [0-9a-f]+: http.*; name the endpoints/,
      );
    }
  });

  it("are not confused when the other comes up while ours is away: it is waited for, and its watch goes on", async () => {
    const { signal } = controller;
    await put(ours);
    await theirs.stop();
    await using store = await openStore({ endpoints: [ours.endpoint, theirs.endpoint] });
    const { revision, leases } = await store.list(signal);
    assert.equal(leases.length, 1);
    const events = store.watch(revision, signal)[Symbol.asyncIterator]();
    const waiting = events.next();
    await put(ours);
    assert.equal((await waiting).value.kind, "changes");
    await ours.stop();
    await theirs.start();
    await nextThat(events, ({ kind, reason }) => kind === "disconnected" && /another etcd cluster/.test(reason ?? ""));
    await ours.start();
    await put(ours);
    await nextThat(events, ({ kind }) => kind === "changes");
    assert.equal((await store.claim(subnet, attrs, minutes(1), signal)).kind, "claimed");
    assert.deepEqual(await Promise.all([ours, theirs].map(recordsOf)), [2, 0]);
  });
});

/** Nothing may be given afresh on the way: that would be the other's list. */
async function nextThat(
  events: AsyncIterator<StoreEvent>,
  isIt: (event: { readonly kind: string; readonly reason?: string }) => boolean,
): Promise<void> {
  for (;;) {
    const { value, done } = await events.next();
    assert.ok(!done && value.kind !== "reset", "the list of the other etcd was taken");
    if (isIt(value)) return;
  }
}
