// A lease store in memory, for tests of everything above the port. It keeps records as the texts that etcd would have,
// with revisions, etcd leases that expire by the given clock, a history that can be compacted, and faults on demand.
// test/contract/lease-store.ts holds it to what the real one does.

import type { EpochMillis, Millis } from "../../src/base/brand.ts";
import type { Clock } from "../../src/base/clock.ts";
import { FlannelError } from "../../src/base/errors.ts";
import type { Revision } from "../../src/subnet/lease.ts";
import type { LeaseStore } from "../../src/subnet/lease-store.ts";
import type { OperatorStore } from "../../src/subnet/operator-store.ts";
import { formatSubnetKey } from "../../src/subnet/subnet-key.ts";
import {
  after,
  censusOf,
  commit,
  configRecord,
  expireDue,
  grant,
  holds,
  isStill,
  isTaken,
  leaseAt,
  listOf,
  putConfig,
  revoke,
  type State,
  termOf,
  textOf,
  type WrittenEntry,
  writeLease,
} from "./fake-store-state.ts";
import { cutWatchers, watch } from "./fake-store-watch.ts";
import { createFollowedValue } from "./followed-value.ts";

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
    async refusal(signal) {
      await enter(state, "refusal", signal);
      return null;
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
