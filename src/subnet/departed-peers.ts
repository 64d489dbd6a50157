// Which peers are kept although their records are gone. A host that leaves takes its record with it, and its routes may
// go; but when many records vanish at once, the store has lost them, not the network its hosts: they expire together
// after a long outage, an etcd is wiped or restored. Their hosts write them again as soon as they can, and until then
// their pods shall be reached. Pure: what time it is, is told.

import { type Millis, millis, seconds } from "../base/brand.ts";
import { prefix4Overlaps } from "../base/ip.ts";
import type { Lease, SubnetKey } from "./lease.ts";
import type { LeaseTable } from "./lease-table.ts";

export interface KeepingRules {
  /** How long peers are kept that vanished with others; 0 keeps none. */
  readonly grace: Millis;
  /** Our own record, which vanishes with the others. */
  readonly self: SubnetKey;
}

interface Departed {
  readonly lease: Lease;
  readonly at: Millis;
  /** Vanished with others, so it is kept for the whole grace. Stays so when those have come back. */
  readonly withOthers: boolean;
}

export interface Keeping {
  readonly table: LeaseTable;
  readonly departed: ReadonlyMap<SubnetKey, Departed>;
  /** When those departed that were let go lately. */
  readonly lately: readonly Millis[];
}

/** Every departure waits this long for others: etcd removes expired records one after another. */
export const SETTLING = seconds(2);
/** Departures this close together are one. etcd: at most 1,000 expired leases are removed in a second. */
const WINDOW = seconds(60);
/** Two of three, or more than a tenth of many: in a smaller network single hosts that leave would look like all. */
const FEWEST = 2;
const SHARE = 0.1;

export function startKeeping(table: LeaseTable): Keeping {
  return { table, departed: new Map(), lately: [] };
}

/** The state after `table` was seen at `now`; the same object when nothing has changed and nothing was due. */
export function keepDeparted(before: Keeping, table: LeaseTable, now: Millis, rules: KeepingRules): Keeping {
  if (table === before.table && !isAnyDue(before, now, rules)) return before;
  const missing = withMissing(before, table, now, rules.self);
  const lately = before.lately.filter((at) => now - at < WINDOW);
  // etcd: revisions only grow; a lower one is of a store that was restored or is another.
  const isOlderStore = BigInt(table.revision) < BigInt(before.table.revision);
  const together = isOlderStore || isMany(missing, lately, table, now, rules);
  const kept = new Map<SubnetKey, Departed>();
  for (const [key, one] of missing) {
    const departed = together && now - one.at < WINDOW ? { ...one, withOthers: true } : one;
    if (now < dueAt(departed, rules)) kept.set(key, departed);
    else lately.push(departed.at);
  }
  return { table, departed: kept, lately };
}

/** When `keepDeparted` is to be asked again although the table is the same; null when never. */
export function nextDue({ departed }: Keeping, rules: KeepingRules): Millis | null {
  const dues = [...departed.values()].map((one) => dueAt(one, rules));
  return dues.length === 0
    ? null
    : millis(dues.reduce((first: number, due) => Math.min(first, due), Number.POSITIVE_INFINITY));
}

/** How many are kept for the whole grace. */
export function countKept({ departed }: Keeping): number {
  return [...departed.values()].filter(({ withOthers }) => withOthers).length;
}

/** The table with those that are kept. */
export function tableWithDeparted({ table, departed }: Keeping): LeaseTable {
  if (departed.size === 0) return table;
  const leases = new Map(table.leases);
  for (const [key, { lease }] of departed) leases.set(key, lease);
  return { ...table, leases };
}

function dueAt({ at, withOthers }: Departed, { grace }: KeepingRules): Millis {
  return millis(at + (withOthers ? grace : Math.min(SETTLING, grace)));
}

function isAnyDue(before: Keeping, now: Millis, rules: KeepingRules): boolean {
  const due = nextDue(before, rules);
  return due !== null && due <= now;
}

/** Those that were missing and those that are now, without what has come back or been given to somebody else. */
function withMissing(before: Keeping, table: LeaseTable, now: Millis, self: SubnetKey): Map<SubnetKey, Departed> {
  const missing = new Map(before.departed);
  for (const [key, lease] of before.table.leases) {
    if (key !== self && !table.leases.has(key) && !missing.has(key)) {
      missing.set(key, { lease, at: now, withOthers: false });
    }
  }
  if (missing.size === 0) return missing;
  const leases = [...table.leases.values()];
  const addresses = new Set(leases.map(({ attrs }) => attrs.publicIp));
  for (const [key, { lease }] of missing) {
    const isBack = table.leases.has(key) || table.bad.has(key) || addresses.has(lease.attrs.publicIp);
    if (isBack || isOverlapped(lease, leases)) missing.delete(key);
  }
  return missing;
}

/** By a subnet of another length; one of the same length would have the same key. Mostly all have one length. */
function isOverlapped({ subnet: { v4 } }: Lease, leases: readonly Lease[]): boolean {
  const length = v4.slice(v4.indexOf("/"));
  return leases.some(({ subnet: other }) => !other.v4.endsWith(length) && prefix4Overlaps(other.v4, v4));
}

function isMany(
  missing: ReadonlyMap<SubnetKey, Departed>,
  lately: readonly Millis[],
  table: LeaseTable,
  now: Millis,
  { self }: KeepingRules,
): boolean {
  const recent = [...missing.values()].filter(({ at }) => now - at < WINDOW).length + lately.length;
  const count = recent + (table.leases.has(self) ? 0 : 1);
  const known = table.leases.size + missing.size + lately.length;
  return count >= FEWEST && count > known * SHARE;
}
