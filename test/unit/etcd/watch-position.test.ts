import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { IKeyValue } from "etcd3";
import { createKeyspace } from "../../../src/etcd/keyspace.ts";
import {
  isSameStore,
  positionAt,
  positionOf,
  type WatchPosition,
  type Witness,
} from "../../../src/etcd/watch-position.ts";
import type { Revision } from "../../../src/subnet/lease.ts";
import type { LeaseList } from "../../../src/subnet/lease-store.ts";
import { leaseOf } from "../../support/leases.ts";

const keyspace = createKeyspace("/net");
const KEY = Buffer.from("/net/subnets/10.5.52.0-24");
const put: Witness = { key: KEY, kind: "put", revision: "90" };
const removed: Witness = { key: KEY, kind: "removed", revision: "90" };

/** We have followed cluster A up to revision 100. */
function position(witness: Witness | null): WatchPosition {
  return { next: 101n, cluster: "A", term: 5n, witness, isDoubted: true };
}

function answer(
  found: number | null,
  header: Partial<{ cluster_id: string; revision: string; raft_term: string }> = {},
) {
  const kv = { key: KEY, value: Buffer.alloc(0), create_revision: "1", version: "1", lease: "0" };
  const kvs: IKeyValue[] = found === null ? [] : [{ ...kv, mod_revision: String(found) }];
  return { header: { cluster_id: "A", member_id: "1", revision: "200", raft_term: "5", ...header }, kvs };
}

describe("a store that answers again", () => {
  const cases: readonly (readonly [string, WatchPosition, ReturnType<typeof answer>, boolean])[] = [
    ["is ours when the newest change is still there", position(put), answer(90), true],
    ["is ours when the newest change was overwritten meanwhile", position(put), answer(150), true],
    ["is ours when what was removed has stayed so", position(removed), answer(null), true],
    ["is ours when what was removed was put again meanwhile", position(removed), answer(150), true],
    ["is ours when nothing is known that would tell", position(null), answer(null), true],
    ["is ours at the same revision", position(put), answer(90, { revision: "100" }), true],
    ["is ours under a later leader", position(put), answer(90, { raft_term: "9" }), true],
    [
      "is ours when something has gone without a loss of the connection",
      { ...position(put), isDoubted: false },
      answer(null),
      true,
    ],
    ["is another when it has forgotten the newest change", position(put), answer(null), false],
    ["is another when it knows an older state of it", position(put), answer(60), false],
    ["is another when what was removed is there as it was", position(removed), answer(60), false],
    ["is another under another cluster id", position(put), answer(90, { cluster_id: "B" }), false],
    ["is another at an earlier revision", position(null), answer(null, { revision: "99" }), false],
    ["is another under an earlier leader", position(null), answer(null, { raft_term: "4" }), false],
  ];
  for (const [what, known, found, expected] of cases) {
    it(what, () => assert.equal(isSameStore(known, found), expected));
  }
});

describe("the position behind a list", () => {
  const lease = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.3" });
  const newest = { ...lease, version: { ...lease.version, modRevision: "90" as Revision } };
  const older = leaseOf({ subnet: "10.5.53.0/24", publicIp: "192.168.64.4" });
  const early = { ...older, version: { ...older.version, modRevision: "9" as Revision } };
  const list: LeaseList = { revision: "100" as Revision, leases: [early, newest], bad: [] };
  const listed = { list, cluster: "A", term: 5n };

  it("has the newest record for a witness", () => {
    const known = { ...position(put), isDoubted: false };
    assert.deepEqual(positionOf(listed, keyspace), known);
    assert.deepEqual(positionAt("100" as Revision, listed, keyspace), known);
    assert.equal(positionOf({ ...listed, list: { ...list, leases: [] } }, keyspace).witness, null);
  });

  it("has none at another revision than the list's", () => {
    const unknown = { next: 81n, cluster: null, term: 0n, witness: null, isDoubted: false };
    assert.deepEqual(positionAt("80" as Revision, listed, keyspace), { ...unknown, cluster: "A", term: 5n });
    assert.deepEqual(positionAt("80" as Revision, null, keyspace), unknown);
  });
});
