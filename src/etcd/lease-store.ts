// Leases in etcd v3: the key layout, and compare-and-put for everything that is written. Nothing here retries.

import { type Millis, millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { isError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { EtcdOptions } from "../cli/options.ts";
import type { Lease, LeaseAttrs, LeaseTerm, Revision, Subnet, SubnetKey } from "../subnet/lease.ts";
import { encodeLeaseAttrs } from "../subnet/lease-codec.ts";
import type { ClaimOutcome, LeaseList, LeaseStore, RemoveOutcome, RenewOutcome } from "../subnet/lease-store.ts";
import { formatSubnetKey } from "../subnet/subnet-key.ts";
import { type KeyLayout, keyLayout, prefixEnd, readRecord } from "./records.ts";
import { type EtcdTransport, type IKeyValue, openTransport } from "./transport.ts";
import { readV2Value } from "./v2-config.ts";
import { watchLeases } from "./watch.ts";

export interface EtcdStoreDeps {
  readonly clock: Clock;
  readonly random: Random;
}

/** Connects at the first call. Throws `file.unreadable` for certificate files that are of no use. */
export async function openEtcdLeaseStore(
  options: EtcdOptions,
  deps: EtcdStoreDeps,
): Promise<LeaseStore & AsyncDisposable> {
  const transport = await openTransport(options);
  const layout = keyLayout(options.prefix);
  const context: Context = { transport, layout, ...deps };
  const list = (signal: AbortSignal) => listLeases(context, signal);
  return {
    async networkConfig(signal) {
      const { kvs } = await transport.range({ key: Buffer.from(layout.config) }, signal);
      return kvs[0]?.value.toString("utf8") ?? null;
    },
    v2NetworkConfig: (signal) => readV2Value(layout.config, options, deps, signal),
    list,
    get: (key, signal) => getLease(context, key, signal),
    watch: (from, signal) => watchLeases(from, layout, { ...context, list }, signal),
    claim: (subnet, attrs, ttl, signal) => claimLease(context, subnet, attrs, ttl, signal),
    renew: (lease, attrs, ttl, signal) => renewLease(context, lease, attrs, ttl, signal),
    remove: (lease, signal) => removeLease(context, lease, signal),
    [Symbol.asyncDispose]: async () => transport[Symbol.dispose](),
  };
}

interface Context extends EtcdStoreDeps {
  readonly transport: EtcdTransport;
  readonly layout: KeyLayout;
}

async function listLeases({ transport, layout }: Context, signal: AbortSignal): Promise<LeaseList> {
  const range = { key: Buffer.from(layout.subnets), range_end: prefixEnd(layout.subnets) };
  const { header, kvs } = await transport.range(range, signal);
  const records = kvs.map((kv) => readRecord(kv, layout));
  return {
    revision: header.revision as Revision,
    leases: records.flatMap((read) => (read.kind === "lease" ? [read.lease] : [])),
    bad: records.flatMap((read) => (read.kind === "bad" ? [read.record] : [])),
  };
}

function storeKey({ layout }: Context, key: SubnetKey): Buffer {
  return Buffer.from(layout.subnets + key);
}

async function getLease(context: Context, key: SubnetKey, signal: AbortSignal): Promise<Lease | null> {
  const { kvs } = await context.transport.range({ key: storeKey(context, key) }, signal);
  return kvs[0] ? withTerm(context, kvs[0], signal) : null;
}

/** Null when the record is no lease. */
async function withTerm(context: Context, kv: IKeyValue, signal: AbortSignal): Promise<Lease | null> {
  const read = readRecord(kv, context.layout);
  if (read.kind === "bad") return null;
  if (kv.lease === "0") return read.lease;
  const seconds = await context.transport.leaseTimeToLive(kv.lease, signal);
  return { ...read.lease, term: until(context, Math.max(0, seconds)) };
}

function until({ clock }: Context, seconds: number): LeaseTerm {
  return { kind: "until", at: (clock.now() + seconds * 1000) as Extract<LeaseTerm, { kind: "until" }>["at"] };
}

function toSeconds(ttl: Millis): number {
  return Math.ceil(ttl / 1000);
}

async function claimLease(
  context: Context,
  subnet: Subnet,
  attrs: LeaseAttrs,
  ttl: Millis,
  signal: AbortSignal,
): Promise<ClaimOutcome> {
  const { transport } = context;
  const key = formatSubnetKey(subnet);
  const term = until(context, toSeconds(ttl));
  const leaseId = await transport.leaseGrant(toSeconds(ttl), signal);
  const put = { key: storeKey(context, key), value: Buffer.from(encodeLeaseAttrs(attrs)), lease: leaseId };
  const modRevision = await putIf(context, { ...put, expected: "0" }, signal).catch(async (error: unknown) => {
    await revoke(context, leaseId);
    throw error;
  });
  if (modRevision === null) {
    await revoke(context, leaseId);
    return { kind: "taken" };
  }
  return { kind: "claimed", lease: { key, subnet, attrs, term, version: { modRevision, leaseId } } };
}

interface ConditionalPut {
  readonly key: Buffer;
  readonly value: Buffer;
  /** "0" for none. */
  readonly lease: string;
  /** The revision that the record must have; "0": there must be none. */
  readonly expected: string;
}

/**
 * The record's new revision, or null when it was not the expected one. When the answer was lost on the way the record is
 * read back: whether it carries our value and lease tells what happened.
 */
async function putIf(
  { transport }: Context,
  { key, value, lease, expected }: ConditionalPut,
  signal: AbortSignal,
): Promise<Revision | null> {
  try {
    const { succeeded, header } = await transport.txn(
      {
        compare: [{ key, target: "Mod", result: "Equal", mod_revision: expected }],
        success: [{ request_put: { key, value, lease } }],
      },
      signal,
    );
    return succeeded ? (header.revision as Revision) : null;
  } catch (error) {
    if (!isError(error, "etcd.unavailable")) throw error;
    const { kvs } = await transport.range({ key }, signal);
    const [found] = kvs;
    if (found && found.lease === lease && found.value.equals(value)) return found.mod_revision as Revision;
    throw error;
  }
}

/** Best effort, also while we are being stopped: an etcd lease without a key ends by itself. */
async function revoke({ transport, clock }: Context, leaseId: string): Promise<void> {
  const limit = new AbortController();
  const timer = new AbortController();
  clock.sleep(millis(2000), timer.signal).then(
    () => limit.abort(new Error("etcd did not answer in time")),
    () => {},
  );
  await transport.leaseRevoke(leaseId, limit.signal).catch(() => {});
  timer.abort();
}

async function renewLease(
  context: Context,
  lease: Lease,
  attrs: LeaseAttrs,
  ttl: Millis,
  signal: AbortSignal,
): Promise<RenewOutcome> {
  const key = storeKey(context, lease.key);
  const { kvs } = await context.transport.range({ key }, signal);
  const [found] = kvs;
  if (!found) return { kind: "lost", found: null };
  const { modRevision, leaseId } = lease.version;
  if (found.mod_revision !== modRevision || found.lease !== leaseId) {
    return { kind: "lost", found: await withTerm(context, found, signal) };
  }
  const value = Buffer.from(encodeLeaseAttrs(attrs));
  const extended = await extend(context, leaseId, ttl, signal);
  if (found.value.equals(value) && extended.leaseId === leaseId) {
    return { kind: "renewed", lease: { ...lease, attrs, term: extended.term } };
  }
  const put = { key, value, lease: extended.leaseId, expected: modRevision };
  const revision = await putIf(context, put, signal);
  if (revision === null) return { kind: "lost", found: await getLease(context, lease.key, signal) };
  const version = { modRevision: revision, leaseId: extended.leaseId };
  return { kind: "renewed", lease: { ...lease, attrs, term: extended.term, version } };
}

/** The same etcd lease with a new time to live; a new one if that has expired; none for a reservation. */
async function extend(
  context: Context,
  leaseId: string,
  ttl: Millis,
  signal: AbortSignal,
): Promise<{ readonly leaseId: string; readonly term: LeaseTerm }> {
  if (leaseId === "0") return { leaseId, term: { kind: "reserved" } };
  const seconds = await context.transport.leaseKeepAlive(leaseId, signal);
  if (seconds > 0) return { leaseId, term: until(context, seconds) };
  const fresh = await context.transport.leaseGrant(toSeconds(ttl), signal);
  return { leaseId: fresh, term: until(context, toSeconds(ttl)) };
}

async function removeLease(context: Context, lease: Lease, signal: AbortSignal): Promise<RemoveOutcome> {
  const key = storeKey(context, lease.key);
  const { succeeded } = await context.transport.txn(
    {
      compare: [{ key, target: "Mod", result: "Equal", mod_revision: lease.version.modRevision }],
      success: [{ request_delete_range: { key } }],
    },
    signal,
  );
  return { kind: succeeded ? "removed" : "changed" };
}
