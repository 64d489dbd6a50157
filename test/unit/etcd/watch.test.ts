import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { IWatchResponse } from "etcd3";
import { FlannelError } from "../../../src/base/errors.ts";
import { createKeyspace } from "../../../src/etcd/keyspace.ts";
import type { EtcdTransport } from "../../../src/etcd/transport.ts";
import { watchLeases } from "../../../src/etcd/watch.ts";
import type { WatchPosition } from "../../../src/etcd/watch-position.ts";
import type { Revision } from "../../../src/subnet/lease.ts";
import type { LeaseList, StoreEvent } from "../../../src/subnet/lease-store.ts";
import { createFakeClock, type FakeClock } from "../../fakes/fake-clock.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";

const AWAY = new FlannelError("etcd.unavailable", { op: "watching the leases", reason: "nobody there" });
const keyspace = createKeyspace("/net");

/** What etcd would answer; changed by the tests as they go. */
interface Script {
  cluster: string;
  revision: number;
  away: boolean;
  /** The next list fails. */
  listFails: boolean;
  /** What is special in the answer to a stream's request. */
  created?: Partial<IWatchResponse>;
  /** One stream each: what it brings before it is lost. A stream that is not in the script stays silent. */
  readonly streams: (readonly Partial<IWatchResponse>[])[];
  /** What is there if it is asked for. */
  records: readonly IWatchResponse["events"][number][];
  /** How often etcd was asked what it is. */
  looks: number;
  /** Where each stream was asked to begin. */
  readonly starts: string[];
}

function transportOf(script: Script, stop: AbortSignal): EtcdTransport {
  const unused = () => assert.fail("not a call of the watch");
  const header = () => ({
    cluster_id: script.cluster,
    member_id: "1",
    revision: String(script.revision),
    raft_term: "1",
  });
  const complete = (partial: Partial<IWatchResponse>): IWatchResponse => ({
    header: header(),
    watch_id: "0",
    created: false,
    canceled: false,
    compact_revision: "0",
    cancel_reason: "",
    fragment: false,
    events: [],
    ...partial,
  });
  async function* play(responses: readonly Partial<IWatchResponse>[] | undefined) {
    yield complete({ created: true, ...script.created });
    for (const response of responses ?? []) yield complete(response);
    if (!responses) await new Promise((_, reject) => stop.addEventListener("abort", () => reject(stop.reason)));
    throw AWAY;
  }
  return {
    async range(_op, { key }) {
      script.looks += 1;
      if (script.away) throw AWAY;
      const kvs = script.records.filter(({ kv }) => kv.key.equals(key as Buffer)).map(({ kv }) => kv);
      return { header: header(), kvs, more: false, count: "0" };
    },
    async openWatch(_op, { start_revision }) {
      if (script.away) throw AWAY;
      script.starts.push(String(start_revision));
      return { responses: play(script.streams.shift()), [Symbol.dispose]: () => {} };
    },
    ranges: unused,
    txn: unused,
    grantLease: unused,
    revokeLease: unused,
    timeToLive: unused,
    keepAlive: unused,
    secure: unused,
    renewWatches: unused,
    reconnect: unused,
    trouble: unused,
    calls: unused,
    [Symbol.dispose]: () => {},
  };
}

function put(key: string, revision: number): IWatchResponse["events"][number] {
  const kv = {
    key: Buffer.from(`/net/subnets/${key}`),
    value: Buffer.from("{}"),
    create_revision: "1",
    mod_revision: String(revision),
    version: "1",
    lease: "7",
  };
  return { type: "Put", kv, prev_kv: kv };
}

describe("a watch", () => {
  let script: Script;
  let clock: FakeClock;
  let controller: AbortController;
  let seen: string[];
  let ended: Promise<void>;

  beforeEach(() => {
    script = {
      cluster: "A",
      revision: 10,
      away: false,
      listFails: false,
      streams: [],
      records: [],
      looks: 0,
      starts: [],
    };
    clock = createFakeClock();
    controller = new AbortController();
    seen = [];
  });
  afterEach(async () => {
    controller.abort();
    await ended;
  });

  const start = (from: WatchPosition = { next: 11n, cluster: "A", term: 1n, witness: null, isDoubted: false }) => {
    const list = async () => {
      if (script.listFails) throw AWAY;
      const list: LeaseList = { revision: String(script.revision) as Revision, leases: [], bad: [] };
      return { list, cluster: script.cluster, term: 1n };
    };
    const transport = transportOf(script, controller.signal);
    const deps = { transport, keyspace, list, clock, random: createSeededRandom(1) };
    ended = (async () => {
      for await (const event of watchLeases(from, deps, controller.signal)) seen.push(describeEvent(event));
    })();
  };

  it("resumes behind the last event that it has delivered, not behind the revision that etcd is at", async () => {
    script.revision = 500;
    script.records = [put("10.5.1.0-24", 11), put("10.5.2.0-24", 12)];
    script.streams.push([{ events: [...script.records] }], []);
    start();
    await clock.advance(10_000);
    assert.deepEqual(seen, ["changes to 12", "disconnected", "connected", "disconnected", "connected"]);
    assert.deepEqual(script.starts, ["11", "13", "13"]);
  });

  it("resumes behind a revision that etcd says to have passed without an event", async () => {
    script.revision = 500;
    script.streams.push([{}]);
    start();
    await clock.advance(10_000);
    assert.deepEqual(script.starts, ["11", "501"]);
  });

  it("gives everything afresh when the history is gone, and again only when that has worked", async () => {
    script.revision = 500;
    script.listFails = true;
    script.streams.push([{ canceled: true, compact_revision: "400" }], [{ canceled: true, compact_revision: "400" }]);
    start();
    await clock.advance(0);
    assert.deepEqual(seen, ["disconnected"]);
    script.listFails = false;
    await clock.advance(10_000);
    assert.deepEqual(seen, ["disconnected", "connected", "reset to 500"]);
    assert.deepEqual(script.starts, ["11", "11", "501"]);
  });

  it("gives everything afresh when another cluster answers, however far that is, also if the list fails at first", async () => {
    script.cluster = "B";
    script.revision = 10_000;
    script.listFails = true;
    start();
    await clock.advance(1000);
    assert.equal(new Set(seen).size, 1);
    script.listFails = false;
    await clock.advance(10_000);
    assert.deepEqual(seen.slice(seen.indexOf("connected") - 1), ["disconnected", "connected", "reset to 10000"]);
    assert.deepEqual(script.starts, ["11", "10001"]);
  });

  it("gives everything afresh when etcd has been put back to an earlier state", async () => {
    script.revision = 9;
    start();
    await clock.advance(1000);
    assert.deepEqual(seen, ["reset to 9"]);
    assert.deepEqual(script.starts, ["11", "10"]);
  });

  it("gives everything afresh when etcd was put back to an earlier state and has passed ours since", async () => {
    script.revision = 12;
    script.streams.push([{ events: [put("10.5.1.0-24", 11), put("10.5.2.0-24", 12)] }]);
    start();
    await clock.advance(0);
    assert.deepEqual(seen, ["changes to 12", "disconnected"]);
    script.revision = 20;
    script.records = [put("10.5.2.0-24", 9)];
    await clock.advance(1000);
    assert.deepEqual(seen.slice(2), ["connected", "reset to 20"]);
    assert.deepEqual(script.starts, ["11", "21"]);
  });

  it("believes the list that it goes on from, and looks at the store before every later stream", async () => {
    script.streams.push([{}], [{}]);
    start();
    await clock.advance(0);
    assert.deepEqual([script.looks, script.starts.length], [0, 1]);
    await clock.advance(10_000);
    assert.deepEqual([script.looks, script.starts.length], [2, 3]);
  });

  it("takes a grpc-proxy's own answer, which names no cluster and another revision, for no other store", async () => {
    const header = { cluster_id: "0", member_id: "0", revision: "0", raft_term: "0" };
    script.revision = 500;
    script.created = { header };
    script.streams.push([{}], [{}]);
    start();
    await clock.advance(10_000);
    assert.ok(!seen.some((what) => what.startsWith("reset")), seen.join());
    assert.equal(script.starts.length, 3);
  });

  it("tells a loss of the connection for as long as it lasts, and asks again every three seconds at most", async () => {
    script.away = true;
    start();
    await clock.advance(60_000);
    assert.ok(seen.length >= 20 && seen.length < 60 && seen.every((event) => event === "disconnected"), String(seen));
    assert.ok((clock.untilNext() ?? 0) <= 3000);
    script.away = false;
    await clock.advance(3000);
    assert.equal(seen.at(-1), "connected");
  });

  it("does not come back in a tight loop to an etcd that accepts every stream and ends it", async () => {
    script.streams.push(...Array.from({ length: 1000 }, () => []));
    start();
    await clock.advance(60_000);
    assert.ok(script.starts.length < 45, String(script.starts.length));
  });

  it("ends when it is told to in the middle of a pause", async () => {
    script.away = true;
    start();
    await clock.advance(1000);
    controller.abort();
    await ended;
    assert.equal(clock.sleepers(), 0);
  });
});

function describeEvent(event: StoreEvent): string {
  switch (event.kind) {
    case "changes":
      return `changes to ${event.revision}`;
    case "reset":
      return `reset to ${event.list.revision}`;
    case "disconnected":
    case "connected":
      return event.kind;
  }
}
