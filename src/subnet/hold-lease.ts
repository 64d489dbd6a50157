// Keeps the lease for as long as the daemon runs: renews it at the margin, and looks after it when the watch says that
// its record has changed. Level-triggered: whatever happened, the record is read and brought back to what we hold.

import { delays } from "../base/backoff.ts";
import { type EpochMillis, type Millis, millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { createComplaint } from "../base/complaint.ts";
import { createDoorbell, waitAtMost } from "../base/doorbell.ts";
import { FlannelError, isRetryable } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import type { Lease } from "./lease.ts";
import type { LeaseChange, LeaseStore, StoreEvent } from "./lease-store.ts";

export interface HoldOptions {
  readonly ttl: Millis;
  /** Renewed this long before it would expire. */
  readonly margin: Millis;
}

export interface LeaseHolder {
  /** The record as last seen in the store. */
  lease(): Lease;
  /** Why the lease is in doubt, as a phrase; null while it is held. */
  trouble(): string | null;
  /** Looks whether the event is about the record that we hold. */
  observe(event: StoreEvent): void;
  /** Runs until aborted; throws `lease.lost` when another host has the subnet. */
  run(signal: AbortSignal): Promise<void>;
}

export interface HoldDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onChange: () => void;
}

/** Timers stand still while a machine sleeps: the wall clock is looked at this often. */
const LONGEST_NAP = millis(60_000);

export function createLeaseHolder(acquired: Lease, options: HoldOptions, deps: HoldDeps): LeaseHolder {
  const bell = createDoorbell();
  let held = acquired;
  let since = deps.clock.now();
  let trouble: string | null = null;
  let suspect = false;
  const hold = (lease: Lease) => {
    held = lease;
    since = deps.clock.now();
    trouble = null;
    deps.onChange();
  };
  const doubt = (reason: string) => {
    trouble = reason;
    deps.onChange();
  };
  const tend = async (signal: AbortSignal) => {
    const why = suspect ? "changed" : "due";
    suspect = false;
    hold(await keepLease(why, held, options, deps, doubt, signal));
  };
  return {
    lease: () => held,
    trouble: () => trouble ?? expiredSince(held, deps.clock.now()),
    observe(event) {
      if (!isNews(event, held)) return;
      suspect = true;
      bell.ring("record changed");
    },
    async run(signal) {
      for (;;) {
        const wait = untilRenewal(held, since, options.margin, deps.clock.now());
        if (suspect || wait <= 0) await tendWithRetries(tend, deps, doubt, signal);
        else await waitAtMost(millis(Math.min(wait, LONGEST_NAP)), bell, deps.clock, signal);
      }
    },
  };
}

/** Whether the event tells that the record may not be as we hold it. */
function isNews(event: StoreEvent, { key, version }: Lease): boolean {
  switch (event.kind) {
    case "changes": {
      const change = event.changes.findLast((change) => changedKey(change) === key);
      if (!change) return false;
      // What is older than what we hold is no news: the store tells the past in order.
      const seen = change.kind === "put" ? change.lease.version.modRevision : event.revision;
      return BigInt(seen) > BigInt(version.modRevision);
    }
    // A full list is the present, whatever its revision: a store that was restored counts on from an older one.
    case "reset":
      return event.list.leases.find((lease) => lease.key === key)?.version.modRevision !== version.modRevision;
    case "connected":
    case "disconnected":
      return false;
  }
}

function changedKey(change: LeaseChange): string {
  switch (change.kind) {
    case "put":
      return change.lease.key;
    case "bad":
      return change.record.key;
    case "removed":
      return change.key;
  }
}

/** etcd may be away for hours: the lease is in doubt only once it has really expired. */
async function tendWithRetries(
  tend: (signal: AbortSignal) => Promise<void>,
  deps: HoldDeps,
  doubt: (reason: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const complaint = createComplaint({ raised: "cannot renew the lease", settled: "the lease is renewed again" }, deps);
  for (const delay of delays({ first: millis(500), max: LONGEST_NAP, random: deps.random })) {
    try {
      await tend(signal);
      complaint.settle();
      return;
    } catch (error) {
      if (!isRetryable(error)) {
        if (error instanceof FlannelError) doubt(error.message);
        throw error;
      }
      complaint.raise(error.message);
    }
    await deps.clock.sleep(delay, signal);
  }
}

async function keepLease(
  why: "changed" | "due",
  held: Lease,
  { ttl }: HoldOptions,
  deps: HoldDeps,
  doubt: (reason: string) => void,
  signal: AbortSignal,
): Promise<Lease> {
  const { store, log } = deps;
  if (why === "due") {
    const outcome = await store.renew(held, held.attrs, ttl, signal);
    if (outcome.kind === "renewed") {
      log.info("renewed the lease", leaseFields(outcome.lease));
      return outcome.lease;
    }
  }
  const found = await store.get(held.key, signal);
  if (found === null) return reclaim(held, ttl, deps, doubt, signal);
  if (found.attrs.publicIp !== held.attrs.publicIp) {
    throw new FlannelError("lease.lost", {
      subnet: held.subnet.v4,
      reason: `the record in etcd now belongs to the host ${found.attrs.publicIp}; restarting leases another subnet`,
    });
  }
  if (found.version.modRevision === held.version.modRevision) return found;
  return adopt(found, held, ttl, deps, signal);
}

/** Somebody rewrote our record but left it ours (a renewal by the Go daemon's habits, an operator's reservation). */
async function adopt(found: Lease, held: Lease, ttl: Millis, deps: HoldDeps, signal: AbortSignal): Promise<Lease> {
  const outcome = await deps.store.renew(found, held.attrs, ttl, signal);
  if (outcome.kind === "lost")
    throw new FlannelError("etcd.unavailable", { op: "renew", reason: "the record is being changed" });
  deps.log.info("the record of this host's lease was rewritten; kept it", leaseFields(outcome.lease));
  return outcome.lease;
}

async function reclaim(
  held: Lease,
  ttl: Millis,
  deps: HoldDeps,
  doubt: (reason: string) => void,
  signal: AbortSignal,
): Promise<Lease> {
  doubt("the record of this host's lease is gone from etcd");
  const outcome = await deps.store.claim(held.subnet, held.attrs, ttl, signal);
  if (outcome.kind === "taken") {
    throw new FlannelError("etcd.unavailable", { op: "claim", reason: "the record is being changed" });
  }
  deps.log.warn(
    "the record of this host's lease was gone from etcd; leased the same subnet again",
    leaseFields(outcome.lease),
  );
  return outcome.lease;
}

/** A lease that was given for less than the margin is renewed half-way: otherwise it would be due again at once. */
function untilRenewal({ term }: Lease, since: EpochMillis, margin: Millis, now: EpochMillis): number {
  if (term.kind !== "until") return Number.POSITIVE_INFINITY;
  const given = term.at - since;
  return term.at - (given > margin ? margin : given / 2) - now;
}

function expiredSince({ term }: Lease, now: EpochMillis): string | null {
  if (term.kind !== "until" || now < term.at) return null;
  return `the lease expired at ${new Date(term.at).toISOString()} and could not be renewed`;
}

function leaseFields({ subnet, term }: Lease): { readonly subnet: string; readonly expires?: string } {
  return term.kind === "until"
    ? { subnet: subnet.v4, expires: new Date(term.at).toISOString() }
    : { subnet: subnet.v4 };
}
