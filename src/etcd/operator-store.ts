// What operators write to etcd, and read beyond what a daemon reads. By the same means as everything else that is
// written: compare-and-put, and reading back when the answer was lost (lease-writes.ts).

import type { ICompare } from "etcd3";
import type { Millis } from "../base/brand.ts";
import { isError } from "../base/errors.ts";
import type { Lease, LeaseAttrs, LeaseTerm, Revision, Subnet } from "../subnet/lease.ts";
import { encodeLeaseAttrs } from "../subnet/lease-codec.ts";
import type { LeaseStore, RenewOutcome } from "../subnet/lease-store.ts";
import type {
  ConfigRecord,
  OperatorStore,
  PutConfigOutcome,
  ReserveOutcome,
  StoreView,
  WriteRefusal,
} from "../subnet/operator-store.ts";
import { formatSubnetKey } from "../subnet/subnet-key.ts";
import { type Keyspace, readLease } from "./keyspace.ts";
import { isStill } from "./lease-conditions.ts";
import {
  lost,
  NO_LEASE,
  put,
  putWithNewLease,
  RESERVED,
  removeBadRecord,
  until,
  type WriteDeps,
} from "./lease-writes.ts";

export function operatorCalls(deps: WriteDeps): Omit<OperatorStore, keyof LeaseStore> {
  return {
    config: (signal) => readConfig(deps, signal),
    putConfig: (text, view, signal) => putConfig(text, view, deps, signal),
    reserve: (subnet, attrs, view, signal) => reserveSubnet(subnet, attrs, view, deps, signal),
    setTerm: (lease, ttl, signal) => setTerm(lease, ttl, deps, signal),
    removeBad: (key, signal) => removeBadRecord(key, deps, signal),
    refusal: (signal) => askRefusal(deps, signal),
    timeLeft: (lease, signal) => timeLeft(lease, deps, signal),
  };
}

async function readConfig({ transport, keyspace }: WriteDeps, signal: AbortSignal): Promise<ConfigRecord | null> {
  const { kvs } = await transport.range("reading the network config", { key: keyspace.config }, signal);
  const [found] = kvs;
  return found ? { text: found.value.toString("utf8"), modRevision: found.mod_revision as Revision } : null;
}

/**
 * etcd: a comparison over a range holds when it holds for every key of it, also when there is none (since 3.3; an older
 * one looks at the first key alone, which there never is, so that only the config is compared).
 */
function holds({ config, revision }: StoreView, { config: key, subnets, subnetsEnd }: Keyspace): readonly ICompare[] {
  const created = (BigInt(revision) + 1n).toString();
  return [
    config === null
      ? { key, target: "Version", result: "Equal", version: "0" }
      : { key, target: "Mod", result: "Equal", mod_revision: config.modRevision },
    { key: subnets, range_end: subnetsEnd, target: "Create", result: "Less", create_revision: created },
  ];
}

async function putConfig(
  text: string,
  view: StoreView,
  deps: WriteDeps,
  signal: AbortSignal,
): Promise<PutConfigOutcome> {
  const { keyspace } = deps;
  const record = {
    op: "writing the network config",
    key: keyspace.config,
    value: Buffer.from(text),
    compare: holds(view, keyspace),
  };
  const outcome = await put(record, NO_LEASE, deps, signal);
  if (outcome.kind === "refused") return { kind: "changed" };
  return { kind: "put", config: { text, modRevision: outcome.revision } };
}

async function reserveSubnet(
  subnet: Subnet,
  attrs: LeaseAttrs,
  view: StoreView,
  deps: WriteDeps,
  signal: AbortSignal,
): Promise<ReserveOutcome> {
  const key = formatSubnetKey(subnet);
  const recordKey = deps.keyspace.recordKey(key);
  const free: ICompare = { key: recordKey, target: "Version", result: "Equal", version: "0" };
  const compare = [free, ...holds(view, deps.keyspace)];
  const record = { op: "reserving a subnet", key: recordKey, value: encodeLeaseAttrs(attrs), compare };
  const outcome = await put(record, NO_LEASE, deps, signal);
  if (outcome.kind === "refused") return { kind: "changed" };
  const version = { modRevision: outcome.revision, createRevision: outcome.revision, leaseId: NO_LEASE };
  return { kind: "reserved", lease: { key, subnet, attrs, term: { kind: "reserved" }, version } };
}

/** The value is read first, because a codec would drop what it does not know. */
async function setTerm(lease: Lease, ttl: Millis | null, deps: WriteDeps, signal: AbortSignal): Promise<RenewOutcome> {
  const op = ttl === null ? "reserving a lease" : "releasing a reservation";
  const key = deps.keyspace.recordKey(lease.key);
  const { kvs } = await deps.transport.range(op, { key }, signal);
  const [found] = kvs;
  if (found?.mod_revision !== lease.version.modRevision) return lost({ found: readLease(deps.keyspace, kvs) });
  const record = { op, key, value: found.value, compare: isStill(lease, deps) };
  const written =
    ttl === null
      ? { outcome: await put(record, NO_LEASE, deps, signal), leaseId: NO_LEASE, term: RESERVED }
      : await putWithNewLease(record, ttl, deps, signal);
  const { outcome, leaseId, term } = written;
  if (outcome.kind === "refused") return lost(outcome);
  return {
    kind: "renewed",
    lease: { ...lease, term, version: { ...lease.version, modRevision: outcome.revision, leaseId } },
  };
}

/**
 * etcd: rights and room are looked at before the condition, also for operations that it forbids, and this one no key meets
 * (`test/etcd/refusal.test.ts`). The history gets no revision.
 */
async function askRefusal({ transport, keyspace }: WriteDeps, signal: AbortSignal): Promise<WriteRefusal | null> {
  const key = keyspace.recordKey("none");
  const never: ICompare = { key, target: "Version", result: "Less", version: "0" };
  const request = { compare: [never], success: [{ request_put: { key, value: Buffer.alloc(0) } }], failure: [] };
  try {
    await transport.txn("asking whether a lease could be written", request, signal);
    return null;
  } catch (error) {
    if (isError(error, "etcd.full") || isError(error, "etcd.denied")) return error;
    throw error;
  }
}

/** etcd: a lease that expired a moment ago has -1 seconds left, and its record may still be there. */
async function timeLeft(
  { version: { leaseId } }: Lease,
  { transport, clock }: WriteDeps,
  signal: AbortSignal,
): Promise<LeaseTerm> {
  if (leaseId === NO_LEASE) return RESERVED;
  const asked = clock.now();
  return until(asked, Math.max(0, await transport.timeToLive("asking how long a lease lasts", leaseId, signal)));
}
