// Everything that is written to etcd: compare-and-put, so that whoever was faster is never overwritten.
// An answer that was lost on the way is looked for by reading back. Nothing is tried again here; the caller does.

import type { ICompare, IRequestOp } from "etcd3";
import type { EpochMillis, Millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { FlannelError, isError } from "../base/errors.ts";
import type { Lease, LeaseAttrs, LeaseTerm, Revision, Subnet } from "../subnet/lease.ts";
import { encodeLeaseAttrs } from "../subnet/lease-codec.ts";
import type { ClaimOutcome, RemoveOutcome, RenewOutcome } from "../subnet/lease-store.ts";
import { formatSubnetKey } from "../subnet/subnet-key.ts";
import { type Keyspace, readLease } from "./keyspace.ts";
import { isFree, isStill } from "./lease-conditions.ts";
import type { EtcdTransport } from "./transport.ts";

export interface WriteDeps {
  readonly transport: EtcdTransport;
  readonly keyspace: Keyspace;
  readonly clock: Clock;
}

/** etcd: the lease id that means none. */
export const NO_LEASE = "0";
export const RESERVED: LeaseTerm = { kind: "reserved" };

export async function claimLease(
  subnet: Subnet,
  attrs: LeaseAttrs,
  ttl: Millis,
  deps: WriteDeps,
  signal: AbortSignal,
): Promise<ClaimOutcome> {
  const recordKey = deps.keyspace.recordKey(formatSubnetKey(subnet));
  return await claimIf(
    isFree(subnet, null, deps),
    "claiming a subnet",
    recordKey,
    { subnet, attrs, ttl },
    deps,
    signal,
  );
}

export async function rekeyLease(
  former: Lease,
  subnet: Subnet,
  attrs: LeaseAttrs,
  ttl: Millis,
  deps: WriteDeps,
  signal: AbortSignal,
): Promise<ClaimOutcome> {
  // etcd: watchers get the events of a transaction in the order of its operations. Whoever goes by subnets alone, as the
  // Go daemon, must hear last of what stays.
  const before: IRequestOp = { request_delete_range: { key: deps.keyspace.recordKey(former.key) } };
  const record = {
    op: "replacing the record of the lease",
    key: deps.keyspace.recordKey(formatSubnetKey(subnet)),
    value: encodeLeaseAttrs(attrs),
    compare: [...isStill(former, deps), ...isFree(subnet, former, deps)],
    before: [before],
  };
  const written =
    former.version.leaseId === NO_LEASE
      ? { outcome: await put(record, NO_LEASE, deps, signal), leaseId: NO_LEASE, term: RESERVED }
      : await putWithNewLease(record, ttl, deps, signal);
  // The former etcd lease has no record any more, and would be there for up to a day.
  const isLeft = written.outcome.kind === "done" && written.leaseId !== NO_LEASE;
  if (isLeft) await revokeIfPossible(record.op, former.version.leaseId, deps, signal);
  return claimOutcome(subnet, attrs, written);
}

export async function replaceBadRecord(
  subnet: Subnet,
  attrs: LeaseAttrs,
  ttl: Millis,
  deps: WriteDeps,
  signal: AbortSignal,
): Promise<ClaimOutcome> {
  const op = "replacing a record that is no lease";
  const key = deps.keyspace.recordKey(formatSubnetKey(subnet));
  const { kvs } = await deps.transport.range(op, { key }, signal);
  const [found] = kvs;
  if (!found || readLease(deps.keyspace, kvs) !== null) return { kind: "taken" };
  const same: ICompare = { key, target: "Mod", result: "Equal", mod_revision: found.mod_revision };
  const outcome = await claimIf([same], op, key, { subnet, attrs, ttl }, deps, signal);
  if (outcome.kind === "taken") return outcome;
  // etcd: a key that is overwritten goes on counting from when it was created.
  const version = { ...outcome.lease.version, createRevision: found.create_revision as Revision };
  return { kind: "claimed", lease: { ...outcome.lease, version } };
}

interface Claim {
  readonly subnet: Subnet;
  readonly attrs: LeaseAttrs;
  readonly ttl: Millis;
}

async function claimIf(
  compare: readonly ICompare[],
  op: string,
  recordKey: Buffer,
  { subnet, attrs, ttl }: Claim,
  deps: WriteDeps,
  signal: AbortSignal,
): Promise<ClaimOutcome> {
  const record = { op, key: recordKey, value: encodeLeaseAttrs(attrs), compare };
  return claimOutcome(subnet, attrs, await putWithNewLease(record, ttl, deps, signal));
}

function claimOutcome(subnet: Subnet, attrs: LeaseAttrs, { outcome, leaseId, term }: Written): ClaimOutcome {
  if (outcome.kind === "refused") return { kind: "taken" };
  const version = { modRevision: outcome.revision, createRevision: outcome.revision, leaseId };
  return { kind: "claimed", lease: { key: formatSubnetKey(subnet), subnet, attrs, term, version } };
}

export async function renewLease(
  lease: Lease,
  attrs: LeaseAttrs,
  ttl: Millis,
  deps: WriteDeps,
  signal: AbortSignal,
): Promise<RenewOutcome> {
  const value = encodeLeaseAttrs(attrs);
  const held: Held = {
    lease: { ...lease, attrs },
    record: { op: "renewing the lease", key: deps.keyspace.recordKey(lease.key), value, compare: isStill(lease, deps) },
    isChanged: Buffer.compare(value, encodeLeaseAttrs(lease.attrs)) !== 0,
  };
  if (!held.isChanged) {
    const outcome = await transact(held.record, [], deps, signal);
    if (outcome.kind === "refused") return lost(outcome);
  }
  return lease.version.leaseId === NO_LEASE
    ? await renewUnder(NO_LEASE, RESERVED, held, deps, signal)
    : await extend(held, ttl, deps, signal);
}

export async function removeLease(lease: Lease, deps: WriteDeps, signal: AbortSignal): Promise<RemoveOutcome> {
  const key = deps.keyspace.recordKey(lease.key);
  const removal = { op: "removing a lease", key, compare: isStill(lease, deps) };
  const outcome = await transact(removal, [{ request_delete_range: { key } }], deps, signal);
  return { kind: outcome.kind === "done" ? "removed" : "changed" };
}

export async function removeBadRecord(key: string, deps: WriteDeps, signal: AbortSignal): Promise<RemoveOutcome> {
  const op = "removing a record that is no lease";
  const recordKey = deps.keyspace.recordKey(key);
  const { kvs } = await deps.transport.range(op, { key: recordKey }, signal);
  const [found] = kvs;
  if (!found || readLease(deps.keyspace, kvs) !== null) return { kind: "changed" };
  const same: ICompare = { key: recordKey, target: "Mod", result: "Equal", mod_revision: found.mod_revision };
  const removal = { op, key: recordKey, compare: [same] };
  const outcome = await transact(removal, [{ request_delete_range: { key: recordKey } }], deps, signal);
  return { kind: outcome.kind === "done" ? "removed" : "changed" };
}

/** What a renewal is about. */
interface Held {
  /** With the attributes that it shall have. */
  readonly lease: Lease;
  readonly record: ConditionalRecord;
  readonly isChanged: boolean;
}

/** Keeps the etcd lease alive, or takes a new one if it has expired or was granted for less than `ttl`. */
async function extend(held: Held, ttl: Millis, deps: WriteDeps, signal: AbortSignal): Promise<RenewOutcome> {
  const { lease, record } = held;
  const { leaseId } = lease.version;
  const asked = deps.clock.now();
  const seconds = await deps.transport.keepAlive(record.op, leaseId, signal);
  if (seconds >= inSeconds(ttl)) return await renewUnder(leaseId, until(asked, seconds), held, deps, signal);
  const { outcome, leaseId: fresh, term } = await putWithNewLease(record, ttl, deps, signal);
  if (outcome.kind === "refused") return lost(outcome);
  return {
    kind: "renewed",
    lease: { ...lease, term, version: { ...lease.version, modRevision: outcome.revision, leaseId: fresh } },
  };
}

/** Writes the record only if it has to say something else: every write wakes every host. */
async function renewUnder(
  leaseId: string,
  term: LeaseTerm,
  { lease, record, isChanged }: Held,
  deps: WriteDeps,
  signal: AbortSignal,
): Promise<RenewOutcome> {
  if (!isChanged) return { kind: "renewed", lease: { ...lease, term } };
  const outcome = await put(record, leaseId, deps, signal);
  if (outcome.kind === "refused") return lost(outcome);
  return {
    kind: "renewed",
    lease: { ...lease, term, version: { ...lease.version, modRevision: outcome.revision, leaseId } },
  };
}

export function lost({ found }: { readonly found: Lease | null }): RenewOutcome {
  return { kind: "lost", found };
}

interface Condition {
  readonly op: string;
  readonly key: Buffer;
  readonly compare: readonly ICompare[];
}

interface ConditionalRecord extends Condition {
  readonly value: Uint8Array;
  /** What is done with it, first. */
  readonly before?: readonly IRequestOp[];
}

type WriteOutcome =
  | { readonly kind: "done"; readonly revision: Revision }
  /** `found` is what stands there instead; null also for what is no lease. */
  | { readonly kind: "refused"; readonly found: Lease | null };

interface Written {
  readonly outcome: WriteOutcome;
  readonly leaseId: string;
  readonly term: LeaseTerm;
}

async function transact(
  { op, key, compare }: Condition,
  success: IRequestOp[],
  { transport, keyspace }: WriteDeps,
  signal: AbortSignal,
): Promise<WriteOutcome> {
  const request = { compare: [...compare], success, failure: [{ request_range: { key } }] };
  const { succeeded, header, responses } = await transport.txn(op, request, signal);
  if (succeeded) return { kind: "done", revision: header.revision as Revision };
  return { kind: "refused", found: readLease(keyspace, responses[0]?.response_range.kvs ?? []) };
}

export async function put(
  record: ConditionalRecord,
  leaseId: string,
  deps: WriteDeps,
  signal: AbortSignal,
): Promise<WriteOutcome> {
  const { op, key, value, before = [] } = record;
  try {
    const request = { key, value: Buffer.from(value), lease: leaseId };
    return await transact(record, [...before, { request_put: request }], deps, signal);
  } catch (error) {
    if (!isError(error, "etcd.unavailable")) throw error;
    // The answer may have been lost, not the request: our value under our etcd lease can only be our own doing.
    const { kvs } = await deps.transport.range(op, { key }, signal).catch(() => ({ kvs: [] }));
    const [found] = kvs;
    if (!found || found.lease !== leaseId || !found.value.equals(value)) throw error;
    return { kind: "done", revision: found.mod_revision as Revision };
  }
}

/** An etcd lease that got no record is given back: otherwise every lost race would leave one behind for a day. */
export async function putWithNewLease(
  record: ConditionalRecord,
  ttl: Millis,
  deps: WriteDeps,
  signal: AbortSignal,
): Promise<Written> {
  const asked = deps.clock.now();
  const { id, seconds } = await deps.transport.grantLease(record.op, inSeconds(ttl), signal);
  let isUsed = false;
  try {
    const outcome = await put(record, id, deps, signal);
    isUsed = outcome.kind === "done";
    return { outcome, leaseId: id, term: until(asked, seconds) };
  } finally {
    if (!isUsed && !signal.aborted) await revokeIfPossible(record.op, id, deps, signal);
  }
}

/** etcd: revoking also undoes a put that is still on its way, or makes it fail. If it cannot be done, time does it. */
async function revokeIfPossible(op: string, id: string, { transport }: WriteDeps, signal: AbortSignal): Promise<void> {
  try {
    await transport.revokeLease(op, id, signal);
  } catch (error) {
    if (!signal.aborted && !(error instanceof FlannelError)) throw error;
  }
}

function inSeconds(ttl: Millis): number {
  return Math.ceil(ttl / 1000);
}

/** Counted from before the request, so that the record outlives what we believe of it, never the reverse. */
export function until(moment: EpochMillis, seconds: number): LeaseTerm {
  return { kind: "until", at: (moment + seconds * 1000) as EpochMillis };
}
