// Gets this host its subnet: decides on a list of all leases, acts by compare-and-put, and decides again when somebody
// was faster: at first on the same list and what the loss has told, then on a fresh one. The decision itself is in
// acquire.ts.

import { delays } from "../base/backoff.ts";
import { type Millis, millis, minutes, seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { createComplaint } from "../base/complaint.ts";
import { FlannelError, isError, isRetryable } from "../base/errors.ts";
import type { Ip } from "../base/ip.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { type AcquireDecision, decideAcquire } from "./acquire.ts";
import { settleDispute } from "./dispute.ts";
import type { Identity } from "./identity.ts";
import {
  type Announcement,
  describeSubnet,
  type Lease,
  type LeaseAttrs,
  type Subnet,
  type SubnetKey,
} from "./lease.ts";
import type { LeaseList, LeaseStore } from "./lease-store.ts";
import type { NetworkConfig } from "./network-config.ts";
import { mayShareIpv6 } from "./settle-ipv6.ts";
import { readSubnet } from "./subnet-key.ts";
import { fitsNetwork, type SubnetParts, spacesOf } from "./subnet-space.ts";

export interface AcquireRequest {
  readonly network: Pick<NetworkConfig, "ipv4" | "ipv6">;
  readonly self: Identity;
  /** All that the interfaces of this host have. */
  readonly addresses: ReadonlySet<Ip>;
  /** The subnet that subnet.env names from an earlier run. */
  readonly previous: SubnetParts;
  /** What to announce, given the record that this host already has. */
  readonly advertise: (own: Lease | null) => Announcement;
  readonly ttl: Millis;
  /** What this host had when it last ran and may go on with while etcd has told nothing; null when there is none. */
  readonly recall: () => Acquired | null;
  /** All leases as they were a moment ago; null when they have not been asked for yet. */
  readonly list: LeaseList | null;
  /** etcd has not answered for long enough already. */
  readonly isAway: boolean;
}

export interface AcquireDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onWaiting: (reason: string) => void;
  /** etcd has told all leases: what is remembered counts no more. */
  readonly onList: (list: LeaseList) => void;
}

export interface Acquired {
  readonly lease: Lease;
  /** The list that the decision was made on; the lease itself may be newer. */
  readonly list: LeaseList;
  /** False when both are remembered, not read: then nothing follows from what is not in the list. */
  readonly fresh: boolean;
}

/** An etcd that is only being restarted is given this long before what is remembered is used. */
export const REMEMBER_AFTER = seconds(2);

/** While etcd does not answer. */
const SHORT_PAUSES = { first: millis(100), max: seconds(5) };
/** While somebody else must act first: each look is a whole list, each challenge wakes every host. */
const LONG_PAUSES = { first: seconds(5), max: minutes(5) };

/** Waits while etcd does not answer, while every subnet is taken, and while another host has our public IP. */
export async function acquireLease(request: AcquireRequest, deps: AcquireDeps, signal: AbortSignal): Promise<Acquired> {
  const complaint = createComplaint({ raised: "cannot lease a subnet yet", settled: "a subnet can be leased" }, deps);
  const defended = new Set<SubnetKey>();
  const pauses = {
    short: delays({ ...SHORT_PAUSES, random: deps.random }),
    long: delays({ ...LONG_PAUSES, random: deps.random }),
  };
  const substitute = createSubstitute(request, deps);
  if (request.list) substitute.onList(request.list);
  let picture: Picture | null = request.list && { list: request.list, lost: [] };
  for (;;) {
    const outcome = await attemptOnce(picture, defended, request, { ...deps, onList: substitute.onList }, signal);
    picture = outcome.kind === "overtaken" ? outcome.picture : null;
    if (outcome.kind === "leased") {
      complaint.settle();
      return outcome.acquired;
    }
    const isOthersTurn = outcome.kind === "failed" && !isStoreError(outcome.error);
    if (outcome.kind === "failed") {
      const remembered = substitute.instead(outcome.error);
      if (remembered) return remembered;
      deps.onWaiting(outcome.error.message);
      complaint.raise(outcome.error.message);
    }
    await deps.clock.sleep(pauses[isOthersTurn ? "long" : "short"].next().value, signal);
  }
}

interface Substitute {
  readonly onList: (list: LeaseList) => void;
  /** What is remembered, if the store has told nothing for long enough; else null. */
  instead(error: FlannelError): Acquired | null;
}

/** Once etcd has told who has what, that counts, whatever fails afterwards: another may have what we remember. */
function createSubstitute({ recall, isAway }: AcquireRequest, { clock, onList }: AcquireDeps): Substitute {
  const from = clock.monotonic() + (isAway ? 0 : REMEMBER_AFTER);
  let isTold = false;
  return {
    onList(list) {
      isTold = true;
      onList(list);
    },
    instead: (error) => (isTold || !isStoreError(error) || clock.monotonic() < from ? null : recall()),
  };
}

type Outcome =
  | { readonly kind: "leased"; readonly acquired: Acquired }
  /** To be decided anew: somebody was faster, or has answered. Without a picture, on a fresh list. */
  | { readonly kind: "overtaken"; readonly picture: Picture | null }
  | { readonly kind: "failed"; readonly error: FlannelError };

/** What a decision is made on. */
interface Picture {
  readonly list: LeaseList;
  /** Subnets that others have claimed since. */
  readonly lost: readonly Subnet[];
}

/**
 * One loss says little of the others who choose right now, and a list of thousands of leases for each of a thousand
 * losers would be what etcd has to carry. Several say that the list is old.
 */
const MOST_LOST = 2;

async function attemptOnce(
  known: Picture | null,
  defended: Set<SubnetKey>,
  request: AcquireRequest,
  deps: AcquireDeps,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    const picture = known ?? (await look(deps, signal));
    const outcome = await attempt(picture, defended, request, deps, signal);
    if (outcome.kind === "lost") return { kind: "overtaken", picture: afterLoss(picture, outcome.subnet) };
    const { lease, isNew } = outcome;
    const isShared = isNew && (await mayShareIpv6(lease, picture.list, deps.store, signal));
    if (isShared) return { kind: "overtaken", picture: null };
    return { kind: "leased", acquired: { lease, list: picture.list, fresh: true } };
  } catch (error) {
    if (!isRetryable(error)) throw error;
    return { kind: "failed", error };
  }
}

async function look({ store, onList }: AcquireDeps, signal: AbortSignal): Promise<Picture> {
  const list = await store.list(signal);
  onList(list);
  return { list, lost: [] };
}

function isStoreError(error: FlannelError): boolean {
  return isError(error, "etcd.unavailable") || isError(error, "etcd.handshake") || isError(error, "etcd.denied");
}

/** The picture for the next choice; null when only a fresh list helps. */
function afterLoss({ list, lost }: Picture, subnet: Subnet | null): Picture | null {
  return subnet === null || lost.length === MOST_LOST ? null : { list, lost: [...lost, subnet] };
}

type Attempt =
  /** `isNew` when the record was not known as ours. */
  | { readonly kind: "held"; readonly lease: Lease; readonly isNew: boolean }
  /** `subnet` was to be claimed; null when it was about a record that is there. */
  | { readonly kind: "lost"; readonly subnet: Subnet | null };

function attemptOf(lease: Lease | null, subnet: Subnet | null, isNew = true): Attempt {
  return lease ? { kind: "held", lease, isNew } : { kind: "lost", subnet };
}

async function attempt(
  { list, lost }: Picture,
  defended: Set<SubnetKey>,
  request: AcquireRequest,
  deps: AcquireDeps,
  signal: AbortSignal,
): Promise<Attempt> {
  const spoilt = [...list.bad.flatMap(({ key }) => readSubnet(key) ?? []), ...lost];
  const { leases } = list;
  const decision = decideAcquire({ ...request, leases, spoilt, defended, random: deps.random });
  switch (decision.kind) {
    case "exhausted":
      // Nothing is given up on an old picture.
      if (lost.length > 0) return { kind: "lost", subnet: null };
      throw new FlannelError("lease.exhausted", { network: decision.network, subnets: decision.subnets });
    case "reuse":
      return attemptOf(await reuse(decision.lease, request, deps, signal), null, false);
    case "rekey":
      return attemptOf(await rekey(decision, request, deps, signal), null);
    case "challenge":
      return attemptOf(await dispute(decision, defended, request, deps, signal), null);
    case "claim":
      return attemptOf(await claim(decision, request, deps, signal), decision.subnet);
  }
}

async function reuse(
  own: Lease,
  request: AcquireRequest,
  deps: AcquireDeps,
  signal: AbortSignal,
): Promise<Lease | null> {
  const outcome = await deps.store.renew(own, attrsOf(request, own), request.ttl, signal);
  if (outcome.kind === "lost") {
    deps.log.info("the record of this host's lease has changed meanwhile; looking again", {
      subnet: describeSubnet(own.subnet),
    });
    return null;
  }
  deps.log.info("found the lease of this host and renewed it", { subnet: describeSubnet(own.subnet) });
  return outcome.lease;
}

async function dispute(
  { lease, isUsable }: Extract<AcquireDecision, { kind: "challenge" }>,
  defended: Set<SubnetKey>,
  request: AcquireRequest,
  deps: AcquireDeps,
  signal: AbortSignal,
): Promise<Lease | null> {
  const outcome = await settleDispute(lease, request, deps, signal);
  if (outcome.kind === "ours" && isUsable) {
    const lease = await reuse(outcome.lease, request, deps, signal);
    // It names us now; if a family is missing, or is one too many, that is the next decision's business.
    return lease && fitsNetwork(spacesOf(request.network), lease.subnet) ? lease : null;
  }
  if (outcome.kind === "ours") await deps.store.remove(outcome.lease, signal);
  if (outcome.kind === "another's") defended.add(lease.key);
  return null;
}

async function claim(
  { subnet, discard }: Extract<AcquireDecision, { kind: "claim" }>,
  request: AcquireRequest,
  deps: AcquireDeps,
  signal: AbortSignal,
): Promise<Lease | null> {
  const outcome = await deps.store.claim(subnet, attrsOf(request, discard[0] ?? null), request.ttl, signal);
  if (outcome.kind === "taken") {
    deps.log.info("another host took the subnet first; choosing again");
    return null;
  }
  deps.log.info("leased a subnet", { subnet: describeSubnet(subnet) });
  await giveBack(discard, deps, signal);
  return outcome.lease;
}

/** Only now: a crash in between leaves two records of ours, of which the next start finds the usable one. */
async function giveBack(discard: readonly Lease[], { store, log }: AcquireDeps, signal: AbortSignal): Promise<void> {
  for (const former of discard) {
    await store.remove(former, signal);
    log.warn("gave back a lease that no longer fits the network config", { subnet: describeSubnet(former.subnet) });
  }
}

/** One transaction, so that no peer sees the host without its subnet. */
async function rekey(
  { lease, subnet, discard, reason }: Extract<AcquireDecision, { kind: "rekey" }>,
  request: AcquireRequest,
  deps: AcquireDeps,
  signal: AbortSignal,
): Promise<Lease | null> {
  const outcome = await deps.store.rekey(lease, subnet, attrsOf(request, lease), request.ttl, signal);
  if (outcome.kind === "taken") {
    deps.log.info("the record of this host's lease has changed meanwhile; looking again", {
      subnet: describeSubnet(lease.subnet),
    });
    return null;
  }
  deps.log.info("the lease of this host has another subnet", {
    reason,
    subnet: describeSubnet(subnet),
    former: describeSubnet(lease.subnet),
  });
  await giveBack(discard, deps, signal);
  return outcome.lease;
}

function attrsOf({ advertise, self }: AcquireRequest, own: Lease | null): LeaseAttrs {
  return { ...advertise(own), nodeId: self.nodeId, challenger: null };
}
