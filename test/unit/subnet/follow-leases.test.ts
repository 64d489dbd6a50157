import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { minutes } from "../../../src/base/brand.ts";
import { createLeaseFollower } from "../../../src/subnet/follow-leases.ts";
import type { Revision, SubnetKey } from "../../../src/subnet/lease.ts";
import type { LeaseList, LeaseStore, StoreEvent } from "../../../src/subnet/lease-store.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { leaseOf, peerNumber } from "../../support/leases.ts";
import { createScriptedStore, type ScriptedStore } from "../../support/scripted-store.ts";

const RECOUNT = minutes(10);
const A = leaseOf({ subnet: "10.5.20.0/24", publicIp: "192.168.64.4", mac: "02:00:00:00:00:20" });
const B = leaseOf({ subnet: "10.5.30.0/24", publicIp: "192.168.64.5", mac: "02:00:00:00:00:30" });

interface Start {
  readonly seed?: number;
  /** What the follower begins with, if etcd has not been asked. */
  readonly remembered?: LeaseList;
  readonly wrap?: (store: ScriptedStore) => LeaseStore;
}

/** A follower that begins with what `A` has put into the store. */
async function start({ seed = 1, remembered, wrap = (store) => store }: Start = {}) {
  const clock = createFakeClock();
  const store = createScriptedStore({ clock });
  store.put(A);
  const log = createCapturedLog();
  const stop = new AbortController();
  const events: StoreEvent[] = [];
  const first = remembered ?? (await store.list(stop.signal));
  const onChange = (event: StoreEvent) => {
    events.push(event);
  };
  let connections = 0;
  const onConnected = () => {
    connections += 1;
  };
  const own = first.leases[0] ?? A;
  const deps = {
    store: wrap(store),
    self: () => own,
    clock,
    random: createSeededRandom(seed),
    log,
    onChange,
    onConnected,
  };
  const follower = createLeaseFollower({ list: first, fresh: remembered === undefined }, { recount: RECOUNT }, deps);
  const running = follower.run(stop.signal);
  await clock.advance(0);
  return {
    clock,
    store,
    log,
    follower,
    events,
    connections: () => connections,
    keys: () => [...follower.table().leases.keys()].toSorted(),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

/** A watch that does not deliver what the predicate names. */
function losing(lost: (event: StoreEvent) => boolean): (store: ScriptedStore) => LeaseStore {
  return (store) => ({
    ...store,
    async *watch(from, signal) {
      for await (const event of store.watch(from, signal)) if (!lost(event)) yield event;
    },
  });
}

function putsOf(key: SubnetKey): (event: StoreEvent) => boolean {
  return (event) =>
    event.kind === "changes" && event.changes.some((change) => change.kind === "put" && change.lease.key === key);
}

describe("following the leases", () => {
  it("begins with the first list, which is complete, and goes on with what changes", async () => {
    await using host = await start();
    assert.deepEqual(host.keys(), [A.key]);
    assert.equal(host.follower.table().complete, true);
    host.store.put(B);
    host.store.putBad({ key: "foo", reason: "is not a subnet" });
    host.store.delete(A.key);
    await host.clock.advance(0);
    assert.deepEqual(host.keys(), [B.key]);
    assert.deepEqual([...host.follower.table().bad.keys()], ["foo"]);
    assert.equal(host.events.length, 3);
  });

  it("folds a burst of events at once, when somebody looks", async () => {
    await using host = await start();
    const before = host.follower.table();
    for (let n = 0; n < 500; n++) {
      host.store.put(peerNumber(n));
      host.store.delete(peerNumber(n).key);
    }
    await host.clock.advance(0);
    assert.equal(host.events.length, 1000);
    const after = host.follower.table();
    assert.notEqual(after.revision, before.revision);
    assert.equal(after.leases, before.leases, "folded one by one, the map would have been copied on the way");
    assert.equal(host.follower.table(), after);
  });

  it("does not apply events again that a full list has shown already", async () => {
    await using host = await start();
    host.store.holdEvents();
    host.store.put(B);
    await host.clock.advance(RECOUNT);
    assert.deepEqual(
      host.events.map(({ kind }) => kind),
      ["reset"],
    );
    const table = host.follower.table();
    host.store.releaseEvents();
    await host.clock.advance(0);
    assert.equal(host.events.length, 1);
    assert.equal(host.follower.table(), table);
  });

  it("does not take a full list that the watch has overtaken", async () => {
    let late = () => {};
    await using host = await start({
      wrap: (store) => ({
        ...store,
        async list(signal) {
          const list = await store.list(signal);
          await new Promise<void>((resolve) => {
            late = resolve;
          });
          return list;
        },
      }),
    });
    host.store.holdEvents();
    host.store.put(B);
    await host.clock.advance(RECOUNT);
    host.store.put(A);
    host.store.releaseEvents();
    await host.clock.advance(0);
    late();
    await host.clock.advance(0);
    assert.deepEqual(host.keys(), [A.key, B.key]);
    assert.deepEqual(host.log.lines, []);
  });

  it("repairs by a full list what the watch has lost, and says so", async () => {
    await using host = await start({ wrap: losing(putsOf(B.key)) });
    host.store.put(B);
    host.store.put(A);
    await host.clock.advance(0);
    assert.deepEqual(host.keys(), [A.key]);
    await host.clock.advance(RECOUNT);
    assert.deepEqual(host.keys(), [A.key, B.key]);
    assert.deepEqual(host.log.messages("warn"), ["the watch had missed changes; the full list has them"]);
    assert.equal(host.log.lines[0]?.fields.count, 1);
    await host.clock.advance(5 * RECOUNT);
    assert.equal(host.log.lines.length, 1);
    assert.deepEqual(host.follower.counts(), { losses: 0, restarts: 0, resyncs: { history: 0, census: 1 } });
  });

  it("lists everything again when our own record is gone and the watch has told nothing of it", async () => {
    await using host = await start({ wrap: losing((event) => event.kind === "changes") });
    host.store.delete(A.key);
    await host.clock.advance(RECOUNT);
    assert.deepEqual(
      host.events.map(({ kind }) => kind),
      ["reset"],
    );
  });

  it("repairs a removal that the watch has lost", async () => {
    await using host = await start({
      wrap: losing((event) => event.kind === "changes" && event.changes[0]?.kind === "removed"),
    });
    host.store.delete(A.key);
    await host.clock.advance(RECOUNT);
    assert.deepEqual(host.keys(), []);
  });

  it("says that the connection is lost and that it is back, and keeps what it knows meanwhile", async () => {
    await using host = await start();
    host.store.disconnect("connection refused");
    await host.clock.advance(3 * RECOUNT);
    assert.equal(host.follower.trouble(), "connection refused");
    assert.deepEqual(host.keys(), [A.key]);
    assert.deepEqual(host.log.messages(), ["lost the connection to etcd"]);
    host.store.connect();
    host.store.put(B);
    await host.clock.advance(0);
    assert.equal(host.follower.trouble(), null);
    assert.deepEqual(host.keys(), [A.key, B.key]);
    assert.deepEqual(host.log.messages(), ["lost the connection to etcd", "connected to etcd again"]);
    assert.deepEqual(
      host.events.map(({ kind }) => kind),
      ["changes"],
    );
    assert.deepEqual(host.follower.counts(), { losses: 1, restarts: 1, resyncs: { history: 0, census: 0 } });
  });

  it("takes everything afresh when the history that it missed is gone", async () => {
    await using host = await start();
    host.store.disconnect();
    host.store.delete(A.key);
    host.store.put(B);
    host.store.compact();
    host.store.connect();
    await host.clock.advance(0);
    assert.deepEqual(host.keys(), [B.key]);
    assert.deepEqual(host.follower.counts(), { losses: 1, restarts: 1, resyncs: { history: 1, census: 0 } });
  });

  it("does not list everything again while the census agrees with the table", async () => {
    await using host = await start();
    const before = host.follower.table();
    const lists = host.store.count("list");
    await host.clock.advance(3 * RECOUNT);
    assert.ok(host.store.count("census") >= 3);
    assert.equal(host.store.count("list"), lists);
    assert.equal(host.follower.table(), before);
  });

  it("keeps the object of a lease that did not change, through full lists too", async () => {
    await using host = await start({ wrap: losing(putsOf(B.key)) });
    const before = host.follower.table().leases.get(A.key);
    host.store.put(B);
    await host.clock.advance(RECOUNT);
    assert.equal(host.events.length, 1);
    assert.equal(host.follower.table().leases.get(A.key), before);
  });

  it("counts at times of its own between half of the interval and all of it", async () => {
    const times = new Set<number>();
    for (let seed = 1; seed <= 20; seed++) {
      await using host = await start({ seed });
      const time = host.clock.untilNext() ?? 0;
      assert.ok(time >= RECOUNT / 2 && time <= RECOUNT, `${time}`);
      times.add(time);
    }
    assert.ok(times.size > 15);
  });

  it("ends with the error of a store that fails for good", async () => {
    const clock = createFakeClock();
    const store = createScriptedStore({ clock });
    const stop = new AbortController();
    const first = await store.list(stop.signal);
    const deps = {
      store,
      self: () => A,
      clock,
      random: createSeededRandom(1),
      log: createCapturedLog(),
      onChange: () => {},
      onConnected: () => {},
    };
    const running = createLeaseFollower({ list: first, fresh: true }, { recount: RECOUNT }, deps).run(stop.signal);
    const ended = assert.rejects(running, /a bug/);
    store.before(() => {
      throw new TypeError("a bug");
    });
    await clock.advance(RECOUNT);
    await ended;
  });

  it("begins with what is remembered as incomplete, and has the whole truth once etcd answers", async () => {
    const gone = leaseOf({ subnet: "10.5.40.0/24", publicIp: "192.168.64.6" });
    await using host = await start({
      remembered: { revision: "900" as Revision, leases: [A, gone], bad: [] },
      wrap: (store) => {
        store.disconnect();
        return store;
      },
    });
    assert.deepEqual(host.keys(), [A.key, gone.key]);
    assert.equal(host.follower.table().complete, false);
    assert.match(host.follower.trouble() ?? "", /refused/);
    await host.clock.advance(60_000);
    assert.equal(host.follower.table().complete, false);
    assert.deepEqual(host.log.messages(), ["lost the connection to etcd"]);
    host.store.put(B);
    host.store.connect();
    await host.clock.advance(5000);
    assert.deepEqual(host.keys(), [A.key, B.key]);
    assert.equal(host.follower.table().complete, true);
    assert.equal(host.follower.trouble(), null);
    assert.deepEqual(host.follower.counts(), { losses: 0, restarts: 1, resyncs: { history: 0, census: 0 } });
    assert.ok(host.connections() > 0);
    host.store.delete(B.key);
    await host.clock.advance(0);
    assert.deepEqual(host.keys(), [A.key]);
  });
});
