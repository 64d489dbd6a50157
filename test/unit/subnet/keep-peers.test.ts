import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { minutes } from "../../../src/base/brand.ts";
import { SETTLING } from "../../../src/subnet/departed-peers.ts";
import { createPeerKeeper } from "../../../src/subnet/keep-peers.ts";
import type { Lease, Revision } from "../../../src/subnet/lease.ts";
import { EMPTY_TABLE, foldTable, type LeaseTable } from "../../../src/subnet/lease-table.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { peerNumber } from "../../support/leases.ts";

const SELF = peerNumber(0);
const GRACE = minutes(15);

function tableOf(leases: readonly Lease[], revision = 9): LeaseTable {
  return foldTable(EMPTY_TABLE, { kind: "reset", list: { revision: String(revision) as Revision, leases, bad: [] } });
}

function network(peers: number): readonly Lease[] {
  return Array.from({ length: peers + 1 }, (_, n) => peerNumber(n));
}

function start(first: LeaseTable, before: LeaseTable | null = null) {
  const clock = createFakeClock();
  const log = createCapturedLog();
  const stop = new AbortController();
  let table = first;
  let changes = 0;
  const onChange = () => {
    changes += 1;
  };
  const keeper = createPeerKeeper(
    { grace: GRACE, self: SELF.key },
    { before, table: () => table, clock, log, onChange },
  );
  const running = keeper.run(stop.signal).catch(() => {});
  return {
    clock,
    log,
    keeper,
    changes: () => changes,
    peers: () => keeper.table().leases.size - 1,
    have: (next: LeaseTable) => {
      table = next;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error("stopped"));
      await running;
    },
  };
}

describe("the keeper of peers", () => {
  it("lets a single one go after a moment, and wakes whoever plans", async () => {
    await using host = start(tableOf(network(5)));
    assert.equal(host.peers(), 5);
    host.have(tableOf(network(4), 10));
    assert.equal(host.peers(), 5);
    await host.clock.advance(SETTLING);
    assert.ok(host.changes() > 0);
    assert.equal(host.peers(), 4);
    assert.equal(host.keeper.trouble(), null);
    assert.deepEqual(host.log.lines, []);
  });

  it("keeps those that vanish together until the grace is over, and says so once each", async () => {
    await using host = start(tableOf(network(5)));
    host.have(tableOf(network(1), 10));
    assert.equal(host.peers(), 5);
    assert.match(host.keeper.trouble() ?? "", /the records of 4 hosts have vanished/);
    await host.clock.advance(GRACE - 1);
    assert.deepEqual(
      [peerNumber(2), peerNumber(1)].map(({ key }) => host.keeper.keptFor(key)),
      [1, null],
    );
    assert.equal(host.peers(), 5);
    await host.clock.advance(1);
    assert.equal(host.peers(), 1);
    assert.equal(host.keeper.trouble(), null);
    assert.equal(host.log.messages("warn").length, 1);
    assert.equal(host.log.messages("info").length, 1);
  });

  it("keeps the last of a flight when the others are back before anybody looks", async () => {
    await using host = start(tableOf(network(3)));
    const changes = network(3).map(({ key }) => ({ kind: "removed" as const, key }));
    host.keeper.observe({ kind: "changes", revision: "10" as Revision, changes });
    host.have(tableOf(network(2), 11));
    assert.equal(host.peers(), 3);
    assert.match(host.keeper.trouble() ?? "", /^the record of a host has vanished/);
    const [line] = host.log.lines;
    assert.match(line?.message ?? "", /^records have vanished from etcd together/);
    assert.deepEqual(line?.fields, { count: 1, ms: GRACE });
    await host.clock.advance(60_000);
    assert.equal(host.peers(), 3);
  });

  it("begins with what a run that has just ended knew", async () => {
    await using host = start(tableOf([SELF], 10), tableOf(network(5)));
    assert.equal(host.peers(), 5);
    await host.clock.advance(60_000);
    assert.equal(host.peers(), 5);
  });
});
