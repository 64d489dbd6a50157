import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Millis, millis, minutes } from "../../../src/base/brand.ts";
import {
  countKept,
  type Keeping,
  type KeepingRules,
  keepDeparted,
  nextDue,
  SETTLING,
  startKeeping,
  tableWithDeparted,
} from "../../../src/subnet/departed-peers.ts";
import type { Lease, Revision } from "../../../src/subnet/lease.ts";
import { EMPTY_TABLE, foldTable, type LeaseTable } from "../../../src/subnet/lease-table.ts";
import { leaseOf, peerNumber } from "../../support/leases.ts";

const SELF = peerNumber(0);
const RULES: KeepingRules = { grace: minutes(15), self: SELF.key };

function tableOf(leases: readonly Lease[], revision = 100, unreadable: readonly Lease[] = []): LeaseTable {
  const bad = unreadable.map(({ key }) => ({ key, reason: "is not valid JSON" }));
  return foldTable(EMPTY_TABLE, { kind: "reset", list: { revision: String(revision) as Revision, leases, bad } });
}

/** Ourselves and n peers. */
function network(peers: number): readonly Lease[] {
  return Array.from({ length: peers + 1 }, (_, n) => peerNumber(n));
}

/** Tables one after another: at which millisecond, which leases. */
function story(
  first: readonly Lease[],
  steps: readonly (readonly [number, readonly Lease[], number?])[],
  rules: KeepingRules = RULES,
): Keeping {
  let keeping = startKeeping(tableOf(first));
  let current = keeping.table;
  for (const [at, leases, revision] of steps) {
    if (leases !== NO_CHANGE) current = tableOf(leases, revision ?? 100 + at);
    keeping = keepDeparted(keeping, current, millis(at) as Millis, rules);
  }
  return keeping;
}

const NO_CHANGE: readonly Lease[] = [];

function kept(keeping: Keeping): number {
  return tableWithDeparted(keeping).leases.size - keeping.table.leases.size;
}

describe("a peer whose record is gone", () => {
  it("alone is let go after a moment", () => {
    const without = network(19);
    const step = [1000, without] as const;
    assert.equal(kept(story(network(20), [step])), 1);
    assert.equal(nextDue(story(network(20), [step]), RULES), 1000 + SETTLING);
    assert.equal(kept(story(network(20), [step, [1000 + SETTLING, NO_CHANGE]])), 0);
  });

  it("with many others is kept for the grace, and no longer", () => {
    const after = network(5);
    const step = [1000, after] as const;
    assert.equal(kept(story(network(20), [step, [1000 + SETTLING, NO_CHANGE]])), 15);
    assert.equal(countKept(story(network(20), [step])), 15);
    assert.equal(kept(story(network(20), [step, [1000 + RULES.grace - 1, NO_CHANGE]])), 15);
    assert.equal(kept(story(network(20), [step, [1000 + RULES.grace, NO_CHANGE]])), 0);
  });

  it("is kept when the others go one after another, as etcd removes what has expired", () => {
    const steps = Array.from({ length: 20 }, (_, n) => [n * 50, network(19 - n)] as const);
    const left = kept(story(network(20), [...steps, [60_000, NO_CHANGE]]));
    assert.equal(left, 20);
  });

  it("is not taken for many in a network that it is a small part of", () => {
    assert.equal(
      kept(
        story(network(40), [
          [1000, network(37)],
          [1000 + SETTLING, NO_CHANGE],
        ]),
      ),
      0,
    );
  });

  it("is kept when the only other record that is gone is our own", () => {
    assert.equal(
      kept(
        story(network(1), [
          [1000, [peerNumber(7)].slice(1)],
          [60_000, NO_CHANGE],
        ]),
      ),
      1,
    );
  });

  it("is kept whatever their number when the store is an older one", () => {
    const step = [1000, network(39), 50] as const;
    assert.equal(kept(story(network(40), [step, [60_000, NO_CHANGE]])), 1);
  });

  it("is kept when the others were back before anybody looked", () => {
    const before = startKeeping(tableOf(network(3)));
    const back = tableOf(network(2), 200);
    const removed = network(3).map(({ key }) => key);
    const keeping = keepDeparted(before, back, millis(1000), RULES, removed);
    assert.equal(kept(keepDeparted(keeping, back, millis(60_000), RULES)), 1);
  });

  it("stays kept when the others come back, and is one of them when it does", () => {
    const steps = [
      [1000, network(2)],
      [5000, network(19)],
      [60_000, NO_CHANGE],
    ] as const;
    assert.equal(kept(story(network(20), steps)), 1);
    assert.equal(countKept(story(network(20), [...steps, [61_000, network(20)]])), 0);
  });

  it("gives way to whoever has its subnet or a part of it, and to its own new record", () => {
    const gone = network(20).at(-1) as Lease;
    const rest = network(3);
    const half = leaseOf({ subnet: gone.subnet.v4.replace("/24", "/25"), publicIp: "172.17.0.1" });
    const moved = leaseOf({ subnet: "10.9.9.0/24", publicIp: gone.attrs.publicIp });
    const before = kept(story(network(20), [[1000, rest]]));
    for (const lease of [half, moved]) {
      assert.equal(
        kept(
          story(network(20), [
            [1000, rest],
            [2000, [...rest, lease]],
          ]),
        ),
        before - 1,
      );
    }
  });

  it("is let go at once when the grace is 0", () => {
    assert.equal(kept(story(network(20), [[1000, network(1)]], { ...RULES, grace: minutes(0) })), 0);
  });

  it("costs nothing while there is none", () => {
    const keeping = startKeeping(tableOf(network(3)));
    assert.equal(keepDeparted(keeping, keeping.table, millis(5000), RULES), keeping);
    assert.equal(tableWithDeparted(keeping), keeping.table);
    assert.equal(nextDue(keeping, RULES), null);
  });
});

describe("a peer whose record became unreadable", () => {
  const peers = network(3);
  const [spoilt] = peers.slice(-1) as [Lease];
  const others = peers.slice(0, -1);
  const unreadable = tableOf(others, 101, [spoilt]);
  const spoil = (rules = RULES) => keepDeparted(startKeeping(tableOf(peers)), unreadable, millis(1000), rules);

  it("is kept as it was known for as long as that lasts, whatever the grace", () => {
    for (const grace of [RULES.grace, minutes(0)]) {
      const rules = { ...RULES, grace };
      const keeping = spoil(rules);
      assert.equal(nextDue(keeping, rules), null);
      const later = keepDeparted(keeping, tableOf(others, 102, [spoilt]), millis(10 * minutes(15)), rules);
      assert.equal(tableWithDeparted(later).leases.get(spoilt.key), spoilt);
    }
  });

  it("is let go a moment after the record is gone, and has then departed alone", () => {
    const gone = keepDeparted(spoil(), tableOf(others, 102), millis(60_000), RULES, [spoilt.key]);
    assert.equal(kept(gone), 1);
    assert.equal(nextDue(gone, RULES), 60_000 + SETTLING);
    assert.equal(countKept(gone), 0);
  });

  it("is the record's host again when it can be read, and gives way to whoever has its subnet", () => {
    const other = leaseOf({ subnet: spoilt.subnet.v4, publicIp: "172.17.0.1", revision: 102 });
    for (const lease of [spoilt, other]) {
      const back = keepDeparted(spoil(), tableOf([...others, lease], 102), millis(2000), RULES);
      assert.equal(kept(back), 0);
      assert.equal(tableWithDeparted(back).leases.get(lease.key), lease);
    }
  });

  it("is no sign that the store has lost others", () => {
    const oneGone = tableOf(others.slice(0, -1), 102, [spoilt]);
    const keeping = keepDeparted(spoil(), oneGone, millis(2000), RULES);
    assert.equal(countKept(keeping), 0);
  });
});
