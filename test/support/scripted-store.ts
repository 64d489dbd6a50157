// A LeaseStore in memory that does what a test's script says: outages, lost history, late events, other hosts' writes.
// Revisions and compare-and-put are etcd's; records expire when the test removes them, not by themselves.

import type { EpochMillis, Millis } from "../../src/base/brand.ts";
import type { Clock } from "../../src/base/clock.ts";
import { createDoorbell } from "../../src/base/doorbell.ts";
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
import type {
  BadRecord,
  ClaimOutcome,
  LeaseCensus,
  LeaseChange,
  LeaseList,
  LeaseStore,
  RemoveOutcome,
  RenewOutcome,
  StoreEvent,
} from "../../src/subnet/lease-store.ts";
import { formatSubnetKey } from "../../src/subnet/subnet-key.ts";
import { createFollowedValue } from "../fakes/followed-value.ts";

export type StoreCall =
  | "survey"
  | "networkConfig"
  | "v2NetworkConfig"
  | "list"
  | "census"
  | "get"
  | "claim"
  | "rekey"
  | "replaceBad"
  | "renew"
  | "remove";

export interface ScriptedStore extends LeaseStore {
  /** Every call through the port, in order. */
  readonly calls: readonly StoreCall[];
  count(call: StoreCall): number;
  setConfig(text: string | null): void;
  /** The config is another, and no watch tells of it. */
  loseConfig(text: string | null): void;
  setV2Config(text: string | null): void;
  /** What another host or an operator does. Gives the record as it then is. */
  put(lease: Lease, term?: LeaseTerm): Lease;
  putBad(record: BadRecord): void;
  delete(key: SubnetKey): void;
  /** Runs before every call: may change the store, or throw what the call shall throw. */
  before(script: ((call: StoreCall) => void) | null): void;
  /** From now on nothing answers; watches are told. */
  disconnect(reason?: string): void;
  /** Watches go on where they were, or with everything afresh if the history was compacted meanwhile. */
  connect(): void;
  compact(): void;
  /** Events are kept back; calls are answered. */
  holdEvents(): void;
  releaseEvents(): void;
  leases(): readonly Lease[];
  /** Whether it answers and tells at once. */
  isPrompt(): boolean;
}

interface Entry {
  readonly revision: number;
  readonly change: LeaseChange;
}

interface Watcher {
  next: number;
  readonly pending: StoreEvent[];
  readonly wake: () => void;
}

export function createScriptedStore({ clock }: { readonly clock: Clock }): ScriptedStore {
  const records = new Map<SubnetKey, Lease>();
  const bad = new Map<string, BadRecord>();
  const watchers = new Set<Watcher>();
  const badRevisions = new Map<string, number>();
  const calls: StoreCall[] = [];
  let history: Entry[] = [];
  let [revision, compacted, lastLeaseId] = [1, 0, 100];
  const config = createFollowedValue<string | null>(null);
  let v2Config: string | null = null;
  let script: ((call: StoreCall) => void) | null = null;
  let outage: string | null = null;
  let held = false;

  const asRevision = (value: number) => String(value) as Revision;
  const listNow = (): LeaseList => ({
    revision: asRevision(revision),
    leases: [...records.values()].map(asPeer),
    bad: [...bad.values()],
  });
  const censusSince = (since: number): LeaseCensus => ({
    revision: asRevision(revision),
    count: records.size + bad.size,
    newer: [
      ...[...records.values()].map(({ key, version }) => ({ key, modRevision: version.modRevision })),
      ...[...badRevisions].map(([key, put]) => ({ key: key as SubnetKey, modRevision: asRevision(put) })),
    ].filter(({ key, modRevision }) => Number(modRevision) > since && (records.has(key) || bad.has(key))),
  });
  const deliver = (watcher: Watcher) => {
    if (outage !== null || held) return;
    if (watcher.next <= compacted) {
      watcher.pending.push({ kind: "reset", list: listNow() });
      watcher.next = revision + 1;
    }
    for (const entry of history.filter((entry) => entry.revision >= watcher.next)) {
      watcher.pending.push({ kind: "changes", revision: asRevision(entry.revision), changes: [entry.change] });
      watcher.next = entry.revision + 1;
    }
    watcher.wake();
  };
  const deliverAll = () => {
    for (const watcher of watchers) deliver(watcher);
  };
  const record = (change: LeaseChange) => {
    history.push({ revision, change });
    deliverAll();
  };
  const write = (lease: Lease): Lease => {
    revision += 1;
    const createRevision = records.get(lease.key)?.version.createRevision ?? asRevision(revision);
    const written = { ...lease, version: { ...lease.version, modRevision: asRevision(revision), createRevision } };
    records.set(lease.key, written);
    record({ kind: "put", lease: asPeer(written) });
    return written;
  };
  const erase = (key: SubnetKey) => {
    if (!records.delete(key) && !bad.delete(key)) return;
    revision += 1;
    record({ kind: "removed", key });
  };
  const until = (ttl: Millis): LeaseTerm => ({ kind: "until", at: (clock.now() + ttl) as EpochMillis });

  async function call<T>(name: StoreCall, signal: AbortSignal, work: () => T): Promise<T> {
    signal.throwIfAborted();
    calls.push(name);
    script?.(name);
    // As on etcd: the first look for a config and those that repeat it fail in the same words.
    const op = name === "survey" ? "networkConfig" : name;
    if (outage !== null) throw new FlannelError("etcd.unavailable", { op, reason: outage });
    return work();
  }

  function claim(subnet: Subnet, attrs: LeaseAttrs, ttl: Millis): ClaimOutcome {
    const key = formatSubnetKey(subnet);
    const isSibling = ({ subnet: other }: Lease) => hasIpv4(subnet) && other.v4 === subnet.v4;
    if (records.has(key) || [...records.values()].some(isSibling)) return { kind: "taken" };
    lastLeaseId += 1;
    const version = { modRevision: asRevision(0), createRevision: asRevision(0), leaseId: String(lastLeaseId) };
    return { kind: "claimed", lease: write({ key, subnet, attrs, term: until(ttl), version }) };
  }

  function rekey(lease: Lease, subnet: Subnet, attrs: LeaseAttrs, ttl: Millis): ClaimOutcome {
    const found = records.get(lease.key);
    const key = formatSubnetKey(subnet);
    if (!found || !isSameVersion(found, lease) || records.has(key)) return { kind: "taken" };
    lastLeaseId += 1;
    const leaseId = found.version.leaseId === "0" ? "0" : String(lastLeaseId);
    const term: LeaseTerm = leaseId === "0" ? { kind: "reserved" } : until(ttl);
    erase(lease.key);
    const version = { modRevision: asRevision(0), createRevision: asRevision(0), leaseId };
    return { kind: "claimed", lease: write({ key, subnet, attrs, term, version }) };
  }

  function renew(lease: Lease, attrs: LeaseAttrs, ttl: Millis): RenewOutcome {
    const found = records.get(lease.key) ?? null;
    if (!found || !isSameVersion(found, lease)) return { kind: "lost", found };
    const term: LeaseTerm = found.version.leaseId === "0" ? { kind: "reserved" } : until(ttl);
    const next = { ...found, attrs, term };
    if (JSON.stringify(attrs) !== JSON.stringify(found.attrs)) return { kind: "renewed", lease: write(next) };
    records.set(lease.key, next);
    return { kind: "renewed", lease: next };
  }

  function remove(lease: Lease): RemoveOutcome {
    const found = records.get(lease.key);
    if (!found || !isSameVersion(found, lease)) return { kind: "changed" };
    erase(lease.key);
    return { kind: "removed" };
  }

  return {
    calls,
    count: (name) => calls.filter((made) => made === name).length,
    setConfig: (text) => config.set(text),
    loseConfig: (text) => config.lose(text),
    setV2Config: (text) => {
      v2Config = text;
    },
    put(lease, term = lease.term) {
      bad.delete(lease.key);
      badRevisions.delete(lease.key);
      const leaseId = term.kind === "reserved" ? "0" : lease.version.leaseId;
      return write({ ...lease, term, version: { ...lease.version, leaseId } });
    },
    putBad(found) {
      revision += 1;
      records.delete(found.key as SubnetKey);
      bad.set(found.key, found);
      badRevisions.set(found.key, revision);
      record({ kind: "bad", record: found });
    },
    delete: erase,
    before: (next) => {
      script = next;
    },
    disconnect(reason = "connection refused") {
      if (outage !== null) return;
      outage = reason;
      for (const { pending, wake } of watchers) {
        pending.push({ kind: "disconnected", reason });
        wake();
      }
    },
    connect() {
      if (outage === null) return;
      outage = null;
      config.wake();
      for (const { pending } of watchers) pending.push({ kind: "connected" });
      deliverAll();
    },
    compact() {
      history = [];
      compacted = revision;
    },
    holdEvents: () => {
      held = true;
    },
    releaseEvents() {
      held = false;
      deliverAll();
    },
    leases: () => [...records.values()],
    isPrompt: () => outage === null && !held,
    survey: (signal) => call("survey", signal, () => ({ config: config.get(), list: listNow() })),
    networkConfig: (signal) => call("networkConfig", signal, () => config.get()),
    watchNetworkConfig: (signal) => config.follow(() => outage !== null, signal),
    v2NetworkConfig: (signal) => call("v2NetworkConfig", signal, () => v2Config),
    list: (signal) => call("list", signal, listNow),
    census: (since, signal) => call("census", signal, () => censusSince(Number(since))),
    get: (key, signal) => call("get", signal, () => records.get(key) ?? null),
    claim: (subnet, attrs, ttl, signal) => call("claim", signal, () => claim(subnet, attrs, ttl)),
    rekey: (lease, subnet, attrs, ttl, signal) => call("rekey", signal, () => rekey(lease, subnet, attrs, ttl)),
    replaceBad: (_subnet, _attrs, _ttl, signal) => call("replaceBad", signal, () => ({ kind: "taken" })),
    renew: (lease, attrs, ttl, signal) => call("renew", signal, () => renew(lease, attrs, ttl)),
    remove: (lease, signal) => call("remove", signal, () => remove(lease)),
    watch: (from, signal) => watchEvents(Number(from), watchers, deliver, signal),
  };
}

/** A watcher's own next position survives outages, so nothing is lost unless the history is. */
async function* watchEvents(
  from: number,
  watchers: Set<Watcher>,
  deliver: (watcher: Watcher) => void,
  signal: AbortSignal,
): AsyncGenerator<StoreEvent> {
  const bell = createDoorbell();
  const watcher: Watcher = { next: from + 1, pending: [], wake: () => bell.ring("event") };
  watchers.add(watcher);
  try {
    deliver(watcher);
    while (!signal.aborted) {
      // An abort ends the wait; the loop sees it.
      await bell.wait(signal).catch(() => {});
      yield* watcher.pending.splice(0);
    }
  } finally {
    watchers.delete(watcher);
  }
}

/** How a list or an event shows it: without the time that is left. */
function asPeer(lease: Lease): Lease {
  return { ...lease, term: lease.version.leaseId === "0" ? { kind: "reserved" } : { kind: "leased" } };
}

function isSameVersion(a: Lease, b: Lease): boolean {
  return a.version.modRevision === b.version.modRevision && a.version.leaseId === b.version.leaseId;
}
