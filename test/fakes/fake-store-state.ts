// What the fake lease store knows, and what becomes of it when something is written or time passes.

import type { EpochMillis, Millis } from "../../src/base/brand.ts";
import type { Clock } from "../../src/base/clock.ts";
import type { Doorbell } from "../../src/base/doorbell.ts";
import type { FlannelError } from "../../src/base/errors.ts";
import {
  hasIpv4,
  type Lease,
  type LeaseAttrs,
  type LeaseTerm,
  type Revision,
  type Subnet,
  type SubnetKey,
} from "../../src/subnet/lease.ts";
import { type DecodedRecord, decodeRecord, encodeLeaseAttrs } from "../../src/subnet/lease-codec.ts";
import type { LeaseCensus, LeaseList } from "../../src/subnet/lease-store.ts";
import type { ConfigRecord, OperatorStore, StoreView } from "../../src/subnet/operator-store.ts";
import { formatSubnetKey } from "../../src/subnet/subnet-key.ts";
import type { FollowedValue } from "./followed-value.ts";

interface Entry {
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly leaseId: string;
}

export type WrittenEntry = Pick<Entry, "value" | "leaseId">;

export interface Transaction {
  readonly revision: number;
  /** Null: deleted. */
  readonly changes: ReadonlyMap<string, Entry | null>;
}

export interface Watcher {
  readonly bell: Doorbell;
  /** Null while it is not connected, or has yet to catch up. */
  queue: Transaction[] | null;
  connected: boolean;
  /** What has been delivered, and of which store. */
  position: number;
  identity: number;
}

export interface State {
  readonly clock: Clock;
  readonly config: FollowedValue<string | null>;
  /** At which the config was written last. */
  configRevision: number;
  v2Config: string | null;
  /** Counts the stores that have been here. */
  identity: number;
  revision: number;
  compacted: number;
  history: Transaction[];
  readonly entries: Map<string, Entry>;
  /** Until when each etcd lease lasts. */
  readonly leases: Map<string, EpochMillis>;
  lastLeaseId: number;
  outage: string | null;
  readonly failures: Map<keyof OperatorStore, FlannelError>;
  readonly calls: (keyof OperatorStore)[];
  readonly watchers: Set<Watcher>;
}

export function putConfig(state: State, text: string | null): ConfigRecord | null {
  state.revision += 1;
  state.configRevision = state.revision;
  state.config.set(text);
  return configRecord(state);
}

export function configRecord({ config, configRevision }: State): ConfigRecord | null {
  const text = config.get();
  return text === null ? null : { text, modRevision: String(configRevision) as Revision };
}

export function holds(state: State, view: StoreView): boolean {
  const unchanged = configRecord(state)?.modRevision === view.config?.modRevision;
  return (
    unchanged && [...state.entries.values()].every(({ createRevision }) => createRevision <= Number(view.revision))
  );
}

export function listOf(state: State): LeaseList {
  const records = [...state.entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, entry]) => decode(key, entry));
  return {
    revision: String(state.revision) as Revision,
    leases: records.flatMap((record) => (record.kind === "lease" ? record.lease : [])),
    bad: records.flatMap((record) => (record.kind === "bad" ? record.record : [])),
  };
}

export function censusOf({ entries, revision }: State, since: number): LeaseCensus {
  const newer = [...entries].filter(([, { modRevision }]) => modRevision > since);
  return {
    revision: String(revision) as Revision,
    count: entries.size,
    newer: newer.map(([key, { modRevision }]) => ({
      key: key as SubnetKey,
      modRevision: String(modRevision) as Revision,
    })),
  };
}

export function decode(key: string, { value, modRevision, createRevision, leaseId }: Entry): DecodedRecord {
  const bytes = new TextEncoder().encode(value);
  return decodeRecord({
    key,
    value: bytes,
    modRevision: String(modRevision) as Revision,
    createRevision: String(createRevision) as Revision,
    leaseId,
  });
}

export function leaseAt(state: State, key: string): Lease | null {
  const entry = state.entries.get(key);
  const record = entry && decode(key, entry);
  return record?.kind === "lease" ? record.lease : null;
}

export function isStill({ entries }: State, { key, version }: Lease): boolean {
  const entry = entries.get(key);
  return String(entry?.modRevision) === version.modRevision && entry?.leaseId === version.leaseId;
}

export function textOf(attrs: LeaseAttrs): string {
  return new TextDecoder().decode(encodeLeaseAttrs(attrs));
}

/** Under its key, or the same IPv4 subnet under another. */
export function isTaken({ entries }: State, subnet: Subnet, former: SubnetKey | null = null): boolean {
  const key = formatSubnetKey(subnet);
  if (!hasIpv4(subnet)) return entries.has(key);
  const [v4] = key.split("&");
  const isSame = (other: string) => other === key || other === v4 || other.startsWith(`${v4}&`);
  return [...entries.keys()].some((other) => other !== former && isSame(other));
}

/** In the place of `former`, if that is given. */
export function writeLease(
  state: State,
  key: SubnetKey,
  attrs: LeaseAttrs,
  leaseId: string,
  former: SubnetKey | null = null,
): Lease {
  const gone: [string, null][] = former === null ? [] : [[former, null]];
  commit(state, new Map<string, WrittenEntry | null>([...gone, [key, { value: textOf(attrs), leaseId }]]));
  const written = leaseAt(state, key);
  if (!written) throw new Error(`${key} is no lease`);
  return { ...written, term: termOf(state, leaseId) };
}

export function termOf(state: State, leaseId: string): LeaseTerm {
  const end = state.leases.get(leaseId);
  return end === undefined ? { kind: "reserved" } : { kind: "until", at: end };
}

export function after({ clock }: State, ttl: Millis): EpochMillis {
  return (clock.now() + ttl) as EpochMillis;
}

export function grant(state: State, ttl: Millis): string {
  const id = String(++state.lastLeaseId);
  state.leases.set(id, after(state, ttl));
  return id;
}

export function revoke(state: State, leaseId: string): void {
  if (!state.leases.delete(leaseId)) return;
  const keys = [...state.entries].filter(([, entry]) => entry.leaseId === leaseId).map(([key]) => key);
  if (keys.length > 0) commit(state, new Map(keys.map((key) => [key, null])));
}

export function expireDue(state: State): void {
  for (const [id, end] of [...state.leases]) {
    if (end <= state.clock.now()) revoke(state, id);
  }
}

export function commit(state: State, changes: ReadonlyMap<string, WrittenEntry | null>): void {
  state.revision += 1;
  const stamped = new Map<string, Entry | null>();
  for (const [key, change] of changes) {
    const createRevision = state.entries.get(key)?.createRevision ?? state.revision;
    const entry = change && { ...change, createRevision, modRevision: state.revision };
    if (entry) state.entries.set(key, entry);
    else if (!state.entries.delete(key)) continue;
    stamped.set(key, entry);
  }
  const transaction = { revision: state.revision, changes: stamped };
  state.history.push(transaction);
  for (const watcher of state.watchers) {
    watcher.queue?.push(transaction);
    watcher.bell.ring("changed");
  }
}
