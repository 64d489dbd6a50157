// A lease store in memory, for tests of everything above the port. It keeps records as the texts that etcd would have,
// with revisions, etcd leases that expire by the given clock, a history that can be compacted, and faults on demand.
// test/contract/lease-store.ts holds it to what the real one does.

import { type EpochMillis, type Millis, millis } from "../../src/base/brand.ts";
import type { Clock } from "../../src/base/clock.ts";
import { createDoorbell, type Doorbell, waitAtMost } from "../../src/base/doorbell.ts";
import { FlannelError } from "../../src/base/errors.ts";
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
import type { LeaseCensus, LeaseChange, LeaseList, LeaseStore, StoreEvent } from "../../src/subnet/lease-store.ts";
import type { ConfigRecord, OperatorStore, StoreView } from "../../src/subnet/operator-store.ts";
import { formatSubnetKey } from "../../src/subnet/subnet-key.ts";
import { createFollowedValue, type FollowedValue } from "./followed-value.ts";

export interface FakeLeaseStore extends OperatorStore {
  /** Null: there is none. */
  writeConfig(text: string | null): void;
  writeV2Config(text: string | null): void;
  /** As an operator or another host would, in one transaction. Null deletes; without `ttl` a record does not expire. */
  write(records: Readonly<Record<string, string | null>>, ttl?: Millis): void;
  /** Ends the etcd lease of this record before its time. */
  endLease(key: string): void;
  /** Forgets the history, so that whoever is not connected has to be told everything afresh. */
  compact(): void;
  /** Another store, and an empty one, takes the place of this one. */
  replace(): void;
  /** From now on nobody gets an answer, for this reason; null: they do again. */
  disconnect(reason: string | null): void;
  /** The next call of this kind throws, and does nothing. */
  failNext(call: Exclude<keyof OperatorStore, "watch" | "watchNetworkConfig">, error: FlannelError): void;
  /** Texts by key. */
  records(): ReadonlyMap<string, string>;
  /** Etcd leases that have not ended. */
  leaseCount(): number;
  /** The calls so far. */
  calls(): readonly (keyof OperatorStore)[];
}

interface Entry {
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly leaseId: string;
}

type WrittenEntry = Pick<Entry, "value" | "leaseId">;

interface Transaction {
  readonly revision: number;
  /** Null: deleted. */
  readonly changes: ReadonlyMap<string, Entry | null>;
}

interface Watcher {
  readonly bell: Doorbell;
  /** Null while it is not connected, or has yet to catch up. */
  queue: Transaction[] | null;
  connected: boolean;
  /** What has been delivered, and of which store. */
  position: number;
  identity: number;
}

interface State {
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

export function createFakeLeaseStore({ clock }: { readonly clock: Clock }): FakeLeaseStore {
  const state: State = {
    clock,
    config: createFollowedValue<string | null>(null),
    configRevision: 0,
    v2Config: null,
    identity: 1,
    revision: 1,
    compacted: 0,
    history: [],
    entries: new Map(),
    leases: new Map(),
    lastLeaseId: 0,
    outage: null,
    failures: new Map(),
    calls: [],
    watchers: new Set(),
  };
  return { ...portOf(state), ...operatorCallsOf(state), ...controlsOf(state) };
}

function controlsOf(state: State): Omit<FakeLeaseStore, keyof OperatorStore> {
  return {
    writeConfig: (text) => void putConfig(state, text),
    writeV2Config: (text) => {
      state.v2Config = text;
    },
    write(records, ttl) {
      const leaseId = ttl === undefined ? "0" : grant(state, ttl);
      const entries = Object.entries(records).map(([key, value]) => [key, value === null ? null : { value, leaseId }]);
      commit(state, new Map(entries as [string, WrittenEntry | null][]));
    },
    endLease: (key) => revoke(state, state.entries.get(key)?.leaseId ?? "0"),
    compact: () => {
      state.compacted = state.revision;
      state.history = state.history.filter(({ revision }) => revision >= state.revision);
    },
    replace() {
      Object.assign(state, { identity: state.identity + 1, revision: 1, compacted: 0, history: [] });
      state.entries.clear();
      state.leases.clear();
      cutWatchers(state);
    },
    disconnect(reason) {
      state.outage = reason;
      cutWatchers(state);
      state.config.wake();
    },
    failNext: (call, error) => void state.failures.set(call, error),
    records: () => new Map([...state.entries].map(([key, { value }]) => [key, value])),
    leaseCount: () => {
      expireDue(state);
      return state.leases.size;
    },
    calls: () => state.calls,
  };
}

function portOf(state: State): LeaseStore {
  return {
    async survey(signal) {
      await enter(state, "survey", signal);
      return { config: state.config.get(), list: listOf(state) };
    },
    async networkConfig(signal) {
      await enter(state, "networkConfig", signal);
      return state.config.get();
    },
    async v2NetworkConfig() {
      state.calls.push("v2NetworkConfig");
      return state.outage === null ? state.v2Config : null;
    },
    watchNetworkConfig: (signal) => state.config.follow(() => state.outage !== null, signal),
    async list(signal) {
      await enter(state, "list", signal);
      return listOf(state);
    },
    async census(since, signal) {
      await enter(state, "census", signal);
      return censusOf(state, Number(since));
    },
    async get(key, signal) {
      await enter(state, "get", signal);
      const lease = leaseAt(state, key);
      const end = lease && state.leases.get(lease.version.leaseId);
      return lease && end !== undefined ? { ...lease, term: { kind: "until", at: end as EpochMillis } } : lease;
    },
    watch: (from, signal) => watch(state, Number(from), signal),
    async claim(subnet, attrs, ttl, signal) {
      await enter(state, "claim", signal);
      if (isTaken(state, subnet)) return { kind: "taken" };
      return { kind: "claimed", lease: writeLease(state, formatSubnetKey(subnet), attrs, grant(state, ttl)) };
    },
    async rekey(lease, subnet, attrs, ttl, signal) {
      await enter(state, "rekey", signal);
      if (!isStill(state, lease) || isTaken(state, subnet, lease.key)) return { kind: "taken" };
      const leaseId = lease.version.leaseId === "0" ? "0" : grant(state, ttl);
      const written = writeLease(state, formatSubnetKey(subnet), attrs, leaseId, lease.key);
      revoke(state, lease.version.leaseId);
      return { kind: "claimed", lease: written };
    },
    async replaceBad(subnet, attrs, ttl, signal) {
      await enter(state, "replaceBad", signal);
      const key = formatSubnetKey(subnet);
      if (!state.entries.has(key) || leaseAt(state, key)) return { kind: "taken" };
      return { kind: "claimed", lease: writeLease(state, key, attrs, grant(state, ttl)) };
    },
    async renew(lease, attrs, ttl, signal) {
      await enter(state, "renew", signal);
      if (!isStill(state, lease)) return { kind: "lost", found: leaseAt(state, lease.key) };
      const { leaseId } = lease.version;
      if (leaseId !== "0") state.leases.set(leaseId, after(state, ttl));
      if (textOf(attrs) === textOf(lease.attrs)) {
        return { kind: "renewed", lease: { ...lease, attrs, term: termOf(state, leaseId) } };
      }
      return { kind: "renewed", lease: writeLease(state, lease.key, attrs, leaseId) };
    },
    async remove(lease, signal) {
      await enter(state, "remove", signal);
      if (!isStill(state, lease)) return { kind: "changed" };
      commit(state, new Map([[lease.key, null]]));
      return { kind: "removed" };
    },
  };
}

function operatorCallsOf(state: State): Omit<OperatorStore, keyof LeaseStore> {
  return {
    async config(signal) {
      await enter(state, "config", signal);
      return configRecord(state);
    },
    async putConfig(text, view, signal) {
      await enter(state, "putConfig", signal);
      if (!holds(state, view)) return { kind: "changed" };
      const config = putConfig(state, text);
      return config ? { kind: "put", config } : { kind: "changed" };
    },
    async reserve(subnet, attrs, view, signal) {
      await enter(state, "reserve", signal);
      const key = formatSubnetKey(subnet);
      if (state.entries.has(key) || !holds(state, view)) return { kind: "changed" };
      return { kind: "reserved", lease: writeLease(state, key, attrs, "0") };
    },
    async setTerm(lease, ttl, signal) {
      await enter(state, "setTerm", signal);
      const entry = state.entries.get(lease.key);
      if (!entry || !isStill(state, lease)) return { kind: "lost", found: leaseAt(state, lease.key) };
      const leaseId = ttl === null ? "0" : grant(state, ttl);
      commit(state, new Map([[lease.key, { value: entry.value, leaseId }]]));
      const version = { ...lease.version, modRevision: String(state.revision) as Revision, leaseId };
      return { kind: "renewed", lease: { ...lease, term: termOf(state, leaseId), version } };
    },
    async removeBad(key, signal) {
      await enter(state, "removeBad", signal);
      if (!state.entries.has(key) || leaseAt(state, key)) return { kind: "changed" };
      commit(state, new Map([[key, null]]));
      return { kind: "removed" };
    },
    async timeLeft(lease, signal) {
      await enter(state, "timeLeft", signal);
      const { leaseId } = lease.version;
      return leaseId === "0" || state.leases.has(leaseId)
        ? termOf(state, leaseId)
        : { kind: "until", at: state.clock.now() };
    },
  };
}

function putConfig(state: State, text: string | null): ConfigRecord | null {
  state.revision += 1;
  state.configRevision = state.revision;
  state.config.set(text);
  return configRecord(state);
}

function configRecord({ config, configRevision }: State): ConfigRecord | null {
  const text = config.get();
  return text === null ? null : { text, modRevision: String(configRevision) as Revision };
}

function holds(state: State, view: StoreView): boolean {
  const unchanged = configRecord(state)?.modRevision === view.config?.modRevision;
  return (
    unchanged && [...state.entries.values()].every(({ createRevision }) => createRevision <= Number(view.revision))
  );
}

/** What every call begins with: others get their turn, time has passed, and etcd may be away. */
async function enter(state: State, call: keyof OperatorStore, signal: AbortSignal): Promise<void> {
  state.calls.push(call);
  await Promise.resolve();
  signal.throwIfAborted();
  const failure = state.failures.get(call);
  state.failures.delete(call);
  if (failure) throw failure;
  if (state.outage !== null) throw new FlannelError("etcd.unavailable", { op: call, reason: state.outage });
  expireDue(state);
}

function listOf(state: State): LeaseList {
  const records = [...state.entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, entry]) => decode(key, entry));
  return {
    revision: String(state.revision) as Revision,
    leases: records.flatMap((record) => (record.kind === "lease" ? record.lease : [])),
    bad: records.flatMap((record) => (record.kind === "bad" ? record.record : [])),
  };
}

function censusOf({ entries, revision }: State, since: number): LeaseCensus {
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

function decode(key: string, { value, modRevision, createRevision, leaseId }: Entry): DecodedRecord {
  const bytes = new TextEncoder().encode(value);
  return decodeRecord({
    key,
    value: bytes,
    modRevision: String(modRevision) as Revision,
    createRevision: String(createRevision) as Revision,
    leaseId,
  });
}

function leaseAt(state: State, key: string): Lease | null {
  const entry = state.entries.get(key);
  const record = entry && decode(key, entry);
  return record?.kind === "lease" ? record.lease : null;
}

function isStill({ entries }: State, { key, version }: Lease): boolean {
  const entry = entries.get(key);
  return String(entry?.modRevision) === version.modRevision && entry?.leaseId === version.leaseId;
}

function textOf(attrs: LeaseAttrs): string {
  return new TextDecoder().decode(encodeLeaseAttrs(attrs));
}

/** Under its key, or the same IPv4 subnet under another. */
function isTaken({ entries }: State, subnet: Subnet, former: SubnetKey | null = null): boolean {
  const key = formatSubnetKey(subnet);
  if (!hasIpv4(subnet)) return entries.has(key);
  const [v4] = key.split("&");
  const isSame = (other: string) => other === key || other === v4 || other.startsWith(`${v4}&`);
  return [...entries.keys()].some((other) => other !== former && isSame(other));
}

/** In the place of `former`, if that is given. */
function writeLease(
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

function termOf(state: State, leaseId: string): LeaseTerm {
  const end = state.leases.get(leaseId);
  return end === undefined ? { kind: "reserved" } : { kind: "until", at: end };
}

function after({ clock }: State, ttl: Millis): EpochMillis {
  return (clock.now() + ttl) as EpochMillis;
}

function grant(state: State, ttl: Millis): string {
  const id = String(++state.lastLeaseId);
  state.leases.set(id, after(state, ttl));
  return id;
}

function revoke(state: State, leaseId: string): void {
  if (!state.leases.delete(leaseId)) return;
  const keys = [...state.entries].filter(([, entry]) => entry.leaseId === leaseId).map(([key]) => key);
  if (keys.length > 0) commit(state, new Map(keys.map((key) => [key, null])));
}

function expireDue(state: State): void {
  for (const [id, end] of [...state.leases]) {
    if (end <= state.clock.now()) revoke(state, id);
  }
}

function commit(state: State, changes: ReadonlyMap<string, WrittenEntry | null>): void {
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

function cutWatchers({ watchers }: State): void {
  for (const watcher of watchers) {
    watcher.queue = null;
    watcher.bell.ring("cut");
  }
}

async function* watch(state: State, from: number, signal: AbortSignal): AsyncGenerator<StoreEvent> {
  state.calls.push("watch");
  const { identity } = state;
  const watcher: Watcher = { bell: createDoorbell(), queue: null, connected: true, position: from, identity };
  state.watchers.add(watcher);
  try {
    while (!signal.aborted) {
      expireDue(state);
      if (state.outage !== null) yield* loseConnection(watcher, state.outage);
      else if (watcher.queue === null) yield* connect(state, watcher);
      yield* deliver(watcher);
      await nextNews(state, watcher, signal);
    }
  } finally {
    state.watchers.delete(watcher);
  }
}

function* loseConnection(watcher: Watcher, reason: string): Generator<StoreEvent> {
  if (watcher.connected) yield { kind: "disconnected", reason };
  watcher.connected = false;
}

/** etcd: from the revision that it was compacted to, the history can still be had. */
function* connect(state: State, watcher: Watcher): Generator<StoreEvent> {
  if (!watcher.connected) yield { kind: "connected" };
  watcher.connected = true;
  const { position, identity } = watcher;
  watcher.identity = state.identity;
  if (position + 1 >= state.compacted && position <= state.revision && identity === state.identity) {
    watcher.queue = state.history.filter(({ revision }) => revision > position);
    return;
  }
  watcher.queue = [];
  watcher.position = state.revision;
  yield { kind: "reset", list: listOf(state) };
}

function* deliver(watcher: Watcher): Generator<StoreEvent> {
  for (let next = watcher.queue?.shift(); next; next = watcher.queue?.shift()) {
    yield eventOf(next);
    watcher.position = next.revision;
  }
}

/** Waits until something is written, the connection changes, or an etcd lease expires. */
async function nextNews(state: State, { bell }: Watcher, signal: AbortSignal): Promise<void> {
  const ends = [...state.leases.values()];
  const waiting =
    ends.length === 0
      ? bell.wait(signal)
      : waitAtMost(millis(Math.max(0, Math.min(...ends) - state.clock.now())), bell, state.clock, signal);
  await waiting.catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

function eventOf({ revision, changes }: Transaction): StoreEvent {
  return {
    kind: "changes",
    revision: String(revision) as Revision,
    changes: [...changes].map(([key, entry]): LeaseChange => {
      if (entry === null) return { kind: "removed", key: key as SubnetKey };
      const record = decode(key, entry);
      return record.kind === "lease" ? { kind: "put", lease: record.lease } : record;
    }),
  };
}
