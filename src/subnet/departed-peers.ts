// Which peers are kept although their records are gone. A host that leaves takes its record with it, and its routes may
// go; but when many records vanish at once, the store has lost them, not the network its hosts: they expire together
// after a long outage, an etcd is wiped or restored. Their hosts write them again as soon as they can, and until then
// their pods shall be reached. A record that became unreadable says nothing about its host, which is kept as it was known
// until the record can be read again, or is gone. Pure: what time it is, is told.

import { type Millis, millis, seconds } from "../base/brand.ts";
import { type Prefix4, prefix4Overlaps, prefixLength } from "../base/ip.ts";
import { type Prefix6, prefix6Overlaps } from "../base/ipv6.ts";
import { hasIpv4, hostIp, type Lease, type SubnetKey } from "./lease.ts";
import { withoutIpv6 } from "./lease-parts.ts";
import type { LeaseTable } from "./lease-table.ts";

export interface KeepingRules {
  /** How long peers are kept that vanished with others; 0 keeps none. */
  readonly grace: Millis;
  /** Our own record, which vanishes with the others. */
  readonly self: SubnetKey;
}

export interface Departed {
  readonly lease: Lease;
  readonly at: Millis;
  /** Vanished with others, so it is kept for the whole grace. Stays so when those have come back. */
  readonly withOthers: boolean;
  /** Its record is there and is no lease: it is kept as long as that lasts, whatever the grace. */
  readonly isUnreadable: boolean;
}

export interface Keeping {
  readonly table: LeaseTable;
  readonly departed: ReadonlyMap<SubnetKey, Departed>;
  /** When records vanished lately, ours and those that are back or were let go included. */
  readonly vanished: ReadonlyMap<SubnetKey, Millis>;
}

/** Every departure waits this long for others: etcd removes expired records one after another. */
export const SETTLING = seconds(2);
/** Departures this close together are one. etcd: at most 1,000 expired leases are removed in a second. */
const WINDOW = seconds(10);
/** More than half of all, or ten and more than a tenth: in a small network a few hosts that leave are no flight. */
const FEWEST = 2;
const HALF = 0.5;
const FEWEST_OF_MANY = 10;
const SHARE_OF_MANY = 0.1;

export function startKeeping(table: LeaseTable): Keeping {
  return { table, departed: new Map(), vanished: new Map() };
}

/**
 * The state after `table` was seen at `now`; the same object when nothing has changed and nothing was due. `removed` are
 * the keys that were removed since the last table, of which some may be back already.
 */
export function keepDeparted(
  before: Keeping,
  table: LeaseTable,
  now: Millis,
  rules: KeepingRules,
  removed: readonly SubnetKey[] = [],
): Keeping {
  if (table === before.table && removed.length === 0 && !isAnyDue(before, now, rules)) return before;
  const missing = withMissing(before, table, now, rules.self);
  const vanished = withVanished(before, table, now, removed);
  // etcd: revisions only grow; a lower one is of a store that was restored or is another.
  const isOlderStore = BigInt(table.revision) < BigInt(before.table.revision);
  const together = isOlderStore || isMany(vanished, missing, table);
  const departed = new Map<SubnetKey, Departed>();
  for (const [key, one] of missing) {
    const isFlight = together && !one.isUnreadable && now - one.at < WINDOW;
    const decided = isFlight ? { ...one, withOthers: true } : one;
    if (now < dueAt(decided, rules)) departed.set(key, decided);
  }
  return { table, departed, vanished };
}

/** When `keepDeparted` is to be asked again although the table is the same; null when never. */
export function nextDue({ departed }: Keeping, rules: KeepingRules): Millis | null {
  const dues = [...departed.values()].map((one) => dueAt(one, rules)).filter(Number.isFinite);
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

/** When it is let go; Infinity when not by time. */
export function dueAt({ at, withOthers, isUnreadable }: Departed, { grace }: KeepingRules): Millis {
  if (isUnreadable) return millis(Number.POSITIVE_INFINITY);
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
      missing.set(key, { lease, at: now, withOthers: false, isUnreadable: false });
    }
  }
  if (missing.size === 0) return missing;
  const leases = [...table.leases.values()];
  const addresses = new Set(leases.map(({ attrs }) => hostIp(attrs)));
  const remainderOf = remainders(leases, missing.values());
  for (const [key, one] of missing) {
    const isBack = table.leases.has(key) || addresses.has(hostIp(one.lease.attrs));
    const lease = isBack ? null : remainderOf(one.lease);
    if (lease === null) missing.delete(key);
    else missing.set(key, withReadability(lease === one.lease ? one : { ...one, lease }, table.bad.has(key), now));
  }
  return missing;
}

/** A record that was unreadable and is gone has departed only now. */
function withReadability(one: Departed, isUnreadable: boolean, now: Millis): Departed {
  return one.isUnreadable === isUnreadable ? one : { ...one, isUnreadable, at: now, withOthers: false };
}

/**
 * What of a lease nobody else has by now, also under another key; null when that is nothing. Whose IPv6 subnet is
 * another's may still come back to its IPv4 one.
 */
function remainders(leases: readonly Lease[], missing: Iterable<Departed>): (lease: Lease) => Lease | null {
  const gone = [...missing].map(({ lease }) => lease);
  const v4 = overlapsWith(partsOf4(leases), partsOf4(gone), prefix4Overlaps);
  const v6 = overlapsWith(partsOf6(leases), partsOf6(gone), prefix6Overlaps);
  return (lease) => {
    if (partsOf4([lease]).some(v4)) return null;
    if (!partsOf6([lease]).some(v6)) return lease;
    return hasIpv4(lease.subnet) ? withoutIpv6(lease) : null;
  };
}

function partsOf4(leases: readonly Lease[]): readonly Prefix4[] {
  return leases.flatMap(({ subnet }) => (hasIpv4(subnet) ? subnet.v4 : []));
}

function partsOf6(leases: readonly Lease[]): readonly Prefix6[] {
  return leases.flatMap(({ subnet }) => subnet.v6 ?? []);
}

/** Prefixes of one length overlap when they are equal; mostly all have one length. */
function overlapsWith<P extends Prefix4 | Prefix6>(
  present: readonly P[],
  gone: readonly P[],
  overlap: (a: P, b: P) => boolean,
): (prefix: P) => boolean {
  const equal = new Set(present);
  const others = new Map<number, readonly P[]>();
  for (const length of new Set(gone.map((prefix) => prefixLength(prefix)))) {
    others.set(
      length,
      present.filter((prefix) => prefixLength(prefix) !== length),
    );
  }
  return (prefix) =>
    equal.has(prefix) || (others.get(prefixLength(prefix)) ?? []).some((other) => overlap(other, prefix));
}

function withVanished(
  { table: former, vanished }: Keeping,
  table: LeaseTable,
  now: Millis,
  removed: readonly SubnetKey[],
): ReadonlyMap<SubnetKey, Millis> {
  const lately = new Map([...vanished].filter(([, at]) => now - at < WINDOW));
  for (const key of removed) lately.set(key, now);
  for (const key of former.leases.keys()) {
    if (!table.leases.has(key) && !table.bad.has(key) && !lately.has(key)) lately.set(key, now);
  }
  return lately;
}

function isMany(
  vanished: ReadonlyMap<SubnetKey, Millis>,
  missing: ReadonlyMap<SubnetKey, Departed>,
  table: LeaseTable,
): boolean {
  const known = new Set([...table.leases.keys(), ...missing.keys(), ...vanished.keys()]).size;
  const count = vanished.size;
  return (count >= FEWEST && count > known * HALF) || (count >= FEWEST_OF_MANY && count > known * SHARE_OF_MANY);
}
