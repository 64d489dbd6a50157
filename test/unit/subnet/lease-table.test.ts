import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Lease, Revision, SubnetKey } from "../../../src/subnet/lease.ts";
import type { LeaseChange, LeaseList } from "../../../src/subnet/lease-store.ts";
import { EMPTY_TABLE, foldTable, type LeaseTable } from "../../../src/subnet/lease-table.ts";
import { leaseOf } from "../../support/leases.ts";

const rev = (number: number) => String(number) as Revision;
const key = (text: string) => text as SubnetKey;

const one = leaseOf({ subnet: "10.3.1.0/24", publicIp: "192.168.0.1", revision: 1 });
const two = leaseOf({ subnet: "10.3.2.0/24", publicIp: "192.168.0.2", revision: 2 });

/** The same record, read again. */
function readAgain(lease: Lease): Lease {
  return structuredClone(lease);
}

function listed(revision: number, leases: readonly Lease[], bad: LeaseList["bad"] = []): LeaseTable {
  return foldTable(EMPTY_TABLE, { kind: "reset", list: { revision: rev(revision), leases, bad } });
}

function changed(table: LeaseTable, revision: number, ...changes: readonly LeaseChange[]): LeaseTable {
  return foldTable(table, { kind: "changes", revision: rev(revision), changes });
}

describe("the lease table", () => {
  test("is complete after a finished list and only then", () => {
    const before = changed(EMPTY_TABLE, 1, { kind: "put", lease: one });
    assert.equal(before.complete, false);
    assert.equal(before.leases.size, 1);
    assert.equal(listed(2, [one, two]).complete, true);
  });

  test("takes a batch of changes in order, and is itself never changed", () => {
    const table = listed(2, [one, two]);
    const next = changed(
      table,
      5,
      { kind: "removed", key: one.key },
      { kind: "put", lease: { ...one, version: { ...one.version, modRevision: rev(4) } } },
      { kind: "removed", key: two.key },
    );
    assert.equal(next.revision, "5");
    assert.deepEqual([...next.leases.keys()], [one.key]);
    assert.equal(next.leases.get(one.key)?.version.modRevision, "4");
    assert.deepEqual([...table.leases.values()], [one, two]);
  });

  test("counts a record that is no lease, until it is gone or becomes one", () => {
    const bad = changed(listed(1, [one]), 2, { kind: "bad", record: { key: one.key, reason: "no JSON" } });
    assert.equal(bad.leases.size, 0);
    assert.equal(bad.bad.get(one.key), "no JSON");
    assert.equal(changed(bad, 3, { kind: "put", lease: one }).bad.size, 0);
    assert.equal(changed(bad, 3, { kind: "removed", key: one.key }).bad.size, 0);
    const longKey = "x".repeat(400);
    const long = listed(1, [], [{ key: longKey.slice(0, 256), reason: "no subnet" }]);
    assert.equal(changed(long, 2, { kind: "removed", key: key(longKey) }).bad.size, 0);
  });

  test("forgets what a reset does not have", () => {
    const table = listed(2, [one, two], [{ key: "foo", reason: "no subnet" }]);
    const next = foldTable(table, { kind: "reset", list: { revision: rev(9), leases: [readAgain(two)], bad: [] } });
    assert.deepEqual([...next.leases.keys()], [two.key]);
    assert.equal(next.bad.size, 0);
    assert.equal(next.revision, "9");
  });

  test("keeps the object of a lease that did not change, and takes one that did", () => {
    const table = listed(2, [one, two]);
    const newer = { ...readAgain(two), version: { ...two.version, modRevision: rev(7) } };
    const next = foldTable(table, {
      kind: "reset",
      list: { revision: rev(7), leases: [readAgain(one), newer], bad: [] },
    });
    assert.equal(next.leases.get(one.key), one);
    assert.equal(next.leases.get(two.key), newer);
    const put = changed(table, 8, { kind: "put", lease: readAgain(one) });
    assert.equal(put.leases, table.leases);
  });

  test("does not take a restored store's record for the known one because its revision is the same", () => {
    const other = leaseOf({ subnet: "10.3.1.0/24", publicIp: "192.168.0.99", revision: 1 });
    const next = foldTable(listed(1, [one]), { kind: "reset", list: { revision: rev(1), leases: [other], bad: [] } });
    assert.equal(next.leases.get(one.key)?.attrs.publicIp, "192.168.0.99");
  });

  test("is the same object when nothing is new", () => {
    const table = listed(2, [one, two], [{ key: "foo", reason: "no subnet" }]);
    const list = { revision: rev(2), leases: [two, one].map(readAgain), bad: [{ key: "foo", reason: "no subnet" }] };
    assert.equal(foldTable(table, { kind: "reset", list }), table);
    assert.equal(foldTable(table, { kind: "disconnected", reason: "refused" }), table);
    assert.equal(foldTable(table, { kind: "connected" }), table);
  });

  test("folded from a list and every change after it equals the later list", () => {
    const steps = fc.array(step, { maxLength: 20 });
    fc.assert(
      fc.property(
        steps,
        fc.array(fc.array(step, { minLength: 1, maxLength: 5 }), { maxLength: 10 }),
        (first, batches) => {
          const store = createStore();
          for (const todo of first) store.apply(todo);
          let table = foldTable(EMPTY_TABLE, { kind: "reset", list: store.list() });
          for (const batch of batches) {
            const changes = batch.map(store.apply);
            table = foldTable(table, { kind: "changes", revision: store.list().revision, changes });
          }
          assert.deepEqual(table, foldTable(EMPTY_TABLE, { kind: "reset", list: store.list() }));
        },
      ),
    );
  });
});

interface Step {
  readonly what: LeaseChange["kind"];
  readonly host: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom<LeaseChange["kind"]>("put", "put", "bad", "removed"),
  host: fc.integer({ min: 1, max: 5 }),
});

/** What etcd would hold. */
function createStore() {
  let revision = 1;
  const leases = new Map<string, Lease>();
  const bad = new Map<string, string>();
  return {
    list: (): LeaseList => ({
      revision: rev(revision),
      leases: [...leases.values()],
      bad: [...bad].map(([name, reason]) => ({ key: name, reason })),
    }),
    apply({ what, host }: Step): LeaseChange {
      revision++;
      const lease = leaseOf({ subnet: `10.3.${host}.0/24`, publicIp: `192.168.0.${host}`, revision });
      leases.delete(lease.key);
      bad.delete(lease.key);
      switch (what) {
        case "put":
          leases.set(lease.key, lease);
          return { kind: "put", lease };
        case "bad":
          bad.set(lease.key, `broken at ${revision}`);
          return { kind: "bad", record: { key: lease.key, reason: `broken at ${revision}` } };
        case "removed":
          return { kind: "removed", key: lease.key };
      }
    },
  };
}
