// Keeps the lease for as long as the daemon runs: renews it at the margin, and looks after it when the watch says that
// its record has changed. Level-triggered: whatever happened, the record is read and brought back to what we hold. While
// another host has it, this one holds nothing, and waits until the record is free or an operator decides.

import { isDeepStrictEqual } from "node:util";
import { createAllowance } from "../base/allowance.ts";
import { delays } from "../base/backoff.ts";
import { type Millis, millis, minutes, seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { createComplaint } from "../base/complaint.ts";
import { createDoorbell, type Doorbell, TIMER, waitAtMost } from "../base/doorbell.ts";
import { isRetryable } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { createSparingLog } from "../base/sparing-log.ts";
import type { Acquired } from "./acquire-lease.ts";
import { createHolding, type Holding, type Span } from "./holding.ts";
import { keepLease } from "./keep-lease.ts";
import type { Lease, LeaseAttrs } from "./lease.ts";
import { createLeaseAccountant, type LeaseAccount, type LeaseAccountant } from "./lease-account.ts";
import type { LeaseChange, LeaseStore, StoreEvent } from "./lease-store.ts";

export interface HoldOptions {
  readonly ttl: Millis;
  /** Renewed this long before it would expire. */
  readonly margin: Millis;
}

export interface LeaseHolder {
  /** The record as we hold it; while another host has it, as we held it last. */
  lease(): Lease;
  /** False while another host has our subnet: then we must carry none of its packets. */
  isHeld(): boolean;
  /** Until the lease ends, by the clock that nobody sets; null when it does not end. Negative when it has. */
  remaining(): Millis | null;
  /** Why the lease is in doubt, as a phrase; null while it is held. */
  trouble(): string | null;
  account(): LeaseAccount;
  /** Looks whether the event is about the record that we hold. */
  observe(event: StoreEvent): void;
  /** What the record must say may have changed. */
  announce(): void;
  /** etcd answers again: what has failed is tried now and not later. */
  retry(): void;
  run(signal: AbortSignal): Promise<void>;
}

export interface HoldDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** What the record given must say; without it, what it says. */
  readonly wanted?: (held: Lease) => LeaseAttrs;
  readonly onChange: () => void;
}

/** Timers stand still while a machine sleeps: the clock that does not is looked at this often. */
const LONGEST_NAP = millis(60_000);
/** How often the record is looked at while another host has it; mostly the watch is first. */
const CONFLICT_NAP = minutes(5);
/**
 * Whoever changes the record again and again is answered at once some times, and then once a second: each answer wakes
 * every host. Two seconds would be too long, after which peers remove the routes to a host whose record is gone.
 */
const ANSWERS = { burst: 5, every: seconds(1) };
const LINES = { burst: 5, every: minutes(5) };

export function createLeaseHolder(acquired: Acquired, options: HoldOptions, deps: HoldDeps): LeaseHolder {
  const bell = createDoorbell();
  const { clock } = deps;
  const holding = createHolding(acquired.lease, deps);
  const accountant = createLeaseAccountant(acquired.fresh, clock);
  // What is only remembered may long belong to another.
  const care = createCare(!acquired.fresh, holding, accountant, options.ttl, deps);
  const answer = createAnswer(care, bell, deps);
  const rest = async (signal: AbortSignal) => {
    if (!holding.isHeld()) {
      const reasons = await waitAtMost(CONFLICT_NAP, bell, clock, signal);
      if (reasons.has(TIMER)) care.suspect();
      return;
    }
    const wait = untilRenewal(holding.span(), options.margin, clock.boottime());
    if (wait > 0) await waitAtMost(millis(Math.min(wait, LONGEST_NAP)), bell, clock, signal);
    else await tendWithRetries(care.tend, bell, deps, signal);
  };
  return {
    lease: holding.lease,
    isHeld: holding.isHeld,
    trouble: holding.trouble,
    account: () => accountant.read(holding.conflicts()),
    remaining() {
      const span = holding.span();
      return span && millis(span.end - clock.boottime());
    },
    observe(event) {
      // Of another's record everything is news: what we held last may be of a store that is no more.
      const isOf = holding.isHeld() ? isNews : isAbout;
      if (!isOf(event, holding.lease())) return;
      care.suspect();
      bell.ring("record changed");
    },
    announce: () => bell.ring("announce"),
    retry: () => bell.ring("connected"),
    async run(signal) {
      for (;;) {
        if (care.isNeeded()) await answer(signal);
        else await rest(signal);
      }
    },
  };
}

interface Care {
  /** The record may not be as we hold it. */
  suspect(): void;
  /** It may not, or it must say something else. */
  isNeeded(): boolean;
  /** Brings it back to what we hold, for another term; once. */
  tend(signal: AbortSignal): Promise<void>;
}

function createCare(
  isSuspect: boolean,
  holding: Holding,
  accountant: LeaseAccountant,
  ttl: Millis,
  deps: HoldDeps,
): Care {
  const { wanted = ({ attrs }) => attrs, store, clock } = deps;
  const sparing = createSparingLog(deps.log, LINES, clock);
  let suspect = isSuspect;
  // Each may be in the record although its answer was lost, or may still get there: all that was tried on this revision.
  let tried: readonly LeaseAttrs[] = [];
  return {
    suspect() {
      suspect = true;
    },
    isNeeded: () => suspect || (holding.isHeld() && !isDeepStrictEqual(wanted(holding.lease()), holding.lease().attrs)),
    async tend(signal) {
      const why = suspect ? "changed" : "due";
      suspect = false;
      const held = holding.lease();
      const attrs = wanted(held);
      tried = [...tried.filter((said) => !isDeepStrictEqual(said, attrs)), attrs];
      // How often a lease is due is the operator's choice; how often its record changes may be anybody's.
      const log = why === "changed" ? sparing : deps.log;
      const kept = keepLease(why, { held, attrs, tried }, ttl, { store, log }, holding.doubt, signal);
      const outcome = await kept.catch((error: unknown) => {
        if (!signal.aborted) accountant.failed();
        throw error;
      });
      if (outcome.kind === "another's") return holding.yieldTo(outcome.found);
      if (outcome.lease.version.modRevision !== held.version.modRevision) tried = [];
      accountant.kept(outcome.how);
      holding.hold(outcome.lease);
    },
  };
}

/** Tends, but not more often than is good for everybody. */
function createAnswer({ tend }: Care, bell: Doorbell, deps: HoldDeps): (signal: AbortSignal) => Promise<void> {
  const allowance = createAllowance(ANSWERS, deps.clock);
  return async (signal) => {
    if (allowance.wait() > 0) await deps.clock.sleep(allowance.wait(), signal);
    allowance.take();
    await tendWithRetries(tend, bell, deps, signal);
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

function isAbout(event: StoreEvent, { key }: Lease): boolean {
  return event.kind === "reset" || (event.kind === "changes" && event.changes.some((one) => changedKey(one) === key));
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
  bell: Doorbell,
  deps: HoldDeps,
  signal: AbortSignal,
): Promise<void> {
  const complaint = createComplaint({ raised: "cannot renew the lease", settled: "the lease is renewed again" }, deps);
  for (const delay of delays({ first: millis(500), max: LONGEST_NAP, random: deps.random })) {
    try {
      await tend(signal);
      complaint.settle();
      return;
    } catch (error) {
      if (!isRetryable(error)) throw error;
      complaint.raise(error.message);
    }
    await waitAtMost(delay, bell, deps.clock, signal);
  }
}

/** A lease that was given for less than the margin is renewed half-way: otherwise it would be due again at once. */
function untilRenewal(span: Span | null, margin: Millis, now: Millis): number {
  if (span === null) return Number.POSITIVE_INFINITY;
  const given = span.end - span.since;
  return span.end - (given > margin ? margin : given / 2) - now;
}
