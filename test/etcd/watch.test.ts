import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { EtcdServer } from "../../lab/etcd.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { Revision } from "../../src/subnet/lease.ts";
import type { LeaseChange, StoreEvent } from "../../src/subnet/lease-store.ts";
import { peerNumber } from "../support/leases.ts";
import { type EtcdFixture, openEtcdFixture, startTestEtcd } from "./etcd-fixture.ts";

const VALUE = '{"PublicIP":"192.168.64.3","PublicIPv6":null,"BackendType":"vxlan"}';
let server: EtcdServer;
let fixture: EtcdFixture;
let controller: AbortController;

beforeEach(async () => {
  server = await startTestEtcd();
  fixture = await openEtcdFixture(server);
  controller = new AbortController();
});
afterEach(async () => {
  controller.abort();
  await fixture?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

async function follow(): Promise<AsyncIterator<StoreEvent>> {
  const { revision } = await fixture.store.list(controller.signal);
  return fixture.store.watch(revision, controller.signal)[Symbol.asyncIterator]();
}

async function next(events: AsyncIterator<StoreEvent>): Promise<StoreEvent> {
  const { value, done } = await events.next();
  assert.ok(!done);
  return value;
}

/** The next event that is not the loss that goes on. */
async function nextAfterLoss(events: AsyncIterator<StoreEvent>): Promise<StoreEvent> {
  for (;;) {
    const event = await next(events);
    if (event.kind !== "disconnected") return event;
  }
}

/** One put after the other, each a revision of its own. */
async function writeLeases(from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) await fixture.write({ [peerNumber(n).key]: VALUE });
}

/** Reads on until this many leases were put; everything else that happened is returned, a loss that lasts once. */
async function takePuts(events: AsyncIterator<StoreEvent>, count: number) {
  const keys: string[] = [];
  const others: StoreEvent["kind"][] = [];
  while (keys.length < count) {
    const event = await next(events);
    if (event.kind !== "changes" && others.at(-1) !== event.kind) others.push(event.kind);
    if (event.kind !== "changes") continue;
    for (const change of event.changes) keys.push(keyOf(change));
  }
  return { keys, others };
}

function keyOf(change: LeaseChange): string {
  assert.equal(change.kind, "put");
  return change.lease.key;
}

const keysUpTo = (count: number) => Array.from({ length: count }, (_, n) => peerNumber(n).key as string);

describe("a watch on etcd", () => {
  it("loses none of 1,000 events to restarts in between, and tells each loss of the connection", async () => {
    const events = await follow();
    const writing = (async () => {
      for (const first of [0, 250, 500, 750]) {
        await writeLeases(first, first + 250);
        await server.stop();
        await server.start();
      }
    })();
    const { keys, others } = await takePuts(events, 1000);
    await writing;
    assert.deepEqual(keys, keysUpTo(1000));
    for (const [n, kind] of others.entries()) assert.equal(kind, n % 2 === 0 ? "disconnected" : "connected");
  });

  it("loses nothing of a backlog of thousands that has grown while the connection was lost", async () => {
    const events = await follow();
    await writeLeases(0, 1);
    assert.equal((await takePuts(events, 1)).keys.length, 1);
    await server.stop();
    assert.equal((await next(events)).kind, "disconnected");
    await server.start();
    await writeLeases(1, 2600);
    const { keys } = await takePuts(events, 2599);
    assert.deepEqual(keys, keysUpTo(2600).slice(1));
    await writeLeases(2600, 2601);
    const event = await next(events);
    assert.equal(event.kind === "changes" && event.revision, (await fixture.store.list(controller.signal)).revision);
  });

  it("catches up from a revision thousands of events ago without leaving any out", async () => {
    const { revision } = await fixture.store.list(controller.signal);
    await writeLeases(0, 2500);
    const events = fixture.store.watch(revision, controller.signal)[Symbol.asyncIterator]();
    assert.deepEqual((await takePuts(events, 2500)).keys, keysUpTo(2500));
  });

  it("gives everything afresh when the history was compacted while the connection was lost", async () => {
    const events = await follow();
    await writeLeases(0, 1);
    await next(events);
    await server.stop();
    assert.equal((await next(events)).kind, "disconnected");
    await server.start();
    await writeLeases(1, 5);
    await fixture.write({ [peerNumber(0).key]: null });
    await writeLeases(5, 6);
    await fixture.compact();
    const seen: StoreEvent[] = [];
    while (seen.at(-1)?.kind !== "reset" && seen.length < 20) seen.push(await next(events));
    // Whether the watch was back before the compaction is up to the scheduler; if it was, it has seen everything.
    const reset = seen.at(-1);
    assert.ok(reset?.kind === "reset");
    assert.deepEqual(
      reset.list.leases.map(({ key }) => key),
      keysUpTo(6).slice(1),
    );
  });

  it("gives everything afresh when another etcd has taken the place of this one", async () => {
    await writeLeases(0, 3);
    const events = await follow();
    await fixture.write({ marker: "x" });
    await next(events);
    const { port } = new URL(server.endpoint);
    await server[Symbol.asyncDispose]();
    assert.equal((await next(events)).kind, "disconnected");
    server = await startTestEtcd({ port: Number(port) });
    const seen = [await nextAfterLoss(events), await next(events)];
    const reset = seen.find((event) => event.kind === "reset");
    assert.ok(seen.some((event) => event.kind === "connected"));
    assert.deepEqual(reset?.list.leases, []);
  });

  it("notices within 10 s that etcd hangs, and goes on when it comes to life", async () => {
    const events = await follow();
    await writeLeases(0, 1);
    await next(events);
    const frozen = systemClock.monotonic();
    server.freeze();
    const lost = await next(events);
    assert.equal(lost.kind, "disconnected");
    assert.ok(systemClock.monotonic() - frozen < 10_000);
    server.thaw();
    assert.equal((await nextAfterLoss(events)).kind, "connected");
    await writeLeases(1, 2);
    assert.deepEqual((await takePuts(events, 1)).keys, [peerNumber(1).key]);
  });

  it("stops what it does when nobody listens any more", async () => {
    const { revision } = await fixture.store.list(controller.signal);
    await writeLeases(0, 2);
    for await (const event of fixture.store.watch(revision, controller.signal)) {
      assert.equal(event.kind, "changes");
      break;
    }
    const events = fixture.store.watch("0" as Revision, controller.signal)[Symbol.asyncIterator]();
    assert.deepEqual((await takePuts(events, 2)).keys, keysUpTo(2));
    await events.return?.();
  });
});
