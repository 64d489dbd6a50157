// All leases as last heard from the store: an immutable value, folded from events. It judges no lease (see admission.ts)
// and never waits. Whoever compares two tables compares leases by identity: one that did not change is the same object.

import { isDeepStrictEqual } from "node:util";
import type { Lease, Revision, SubnetKey } from "./lease.ts";
import type { LeaseChange, LeaseList, StoreEvent } from "./lease-store.ts";

export interface LeaseTable {
  readonly revision: Revision;
  /** Invariant: I2, true once the table came from a finished list. */
  readonly complete: boolean;
  readonly leases: ReadonlyMap<SubnetKey, Lease>;
  /** Records that are no leases: why, by key. */
  readonly bad: ReadonlyMap<string, string>;
}

export const EMPTY_TABLE: LeaseTable = {
  revision: "0" as Revision,
  complete: false,
  leases: new Map(),
  bad: new Map(),
};

/** The store reports at most this much of a bad record's key; its removal may carry all of it. */
const BAD_KEY_LENGTH = 256;

/** Fold of a reset at r and all changes up to r′ equals the list at r′. */
export function foldTable(table: LeaseTable, event: StoreEvent): LeaseTable {
  switch (event.kind) {
    case "changes":
      return withChanges(table, event.revision, event.changes);
    case "reset":
      return fromList(table, event.list);
    // What we know stays in force while the store is away.
    case "disconnected":
    case "connected":
      return table;
  }
}

function withChanges(table: LeaseTable, revision: Revision, changes: readonly LeaseChange[]): LeaseTable {
  const leases = new Map(table.leases);
  const bad = new Map(table.bad);
  for (const change of changes) {
    switch (change.kind) {
      case "put":
        leases.set(change.lease.key, kept(leases.get(change.lease.key), change.lease));
        bad.delete(change.lease.key);
        break;
      case "bad":
        leases.delete(change.record.key as SubnetKey);
        bad.set(change.record.key, change.record.reason);
        break;
      case "removed":
        leases.delete(change.key);
        bad.delete(change.key.slice(0, BAD_KEY_LENGTH));
        break;
    }
  }
  return next(table, { revision, complete: table.complete, leases, bad });
}

function fromList(table: LeaseTable, { revision, leases, bad }: LeaseList): LeaseTable {
  return next(table, {
    revision,
    complete: true,
    leases: new Map(leases.map((lease) => [lease.key, kept(table.leases.get(lease.key), lease)])),
    bad: new Map(bad.map(({ key, reason }) => [key, reason])),
  });
}

/** The successor, or what is unchanged of the table: all of it, or one of its maps. */
function next(table: LeaseTable, successor: LeaseTable): LeaseTable {
  const leases = unchangedOr(table.leases, successor.leases);
  const bad = unchangedOr(table.bad, successor.bad);
  const unchanged =
    leases === table.leases &&
    bad === table.bad &&
    successor.revision === table.revision &&
    successor.complete === table.complete;
  return unchanged ? table : { ...successor, leases, bad };
}

/** The known object when the record is the same. A restored store may give one revision to two values, hence attrs. */
function kept(known: Lease | undefined, lease: Lease): Lease {
  const same =
    known !== undefined &&
    known.version.modRevision === lease.version.modRevision &&
    isDeepStrictEqual([known.version, known.attrs, known.term], [lease.version, lease.attrs, lease.term]);
  return same ? known : lease;
}

function unchangedOr<K, V>(known: ReadonlyMap<K, V>, next: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
  if (known.size !== next.size) return next;
  for (const [key, value] of next) {
    if (known.get(key) !== value) return next;
  }
  return known;
}
