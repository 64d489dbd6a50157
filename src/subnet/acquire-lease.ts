// Gets this host its subnet: decides on a fresh list of all leases, acts by compare-and-put, and decides again when
// somebody was faster. The decision itself is in acquire.ts.

import { delays } from "../base/backoff.ts";
import { type Millis, millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { createComplaint } from "../base/complaint.ts";
import { FlannelError, isError, isRetryable } from "../base/errors.ts";
import type { Ipv4, Prefix4 } from "../base/ip.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { type AcquireDecision, decideAcquire } from "./acquire.ts";
import type { Lease, LeaseAttrs } from "./lease.ts";
import type { LeaseList, LeaseStore } from "./lease-store.ts";
import type { Ipv4Network } from "./network-config.ts";
import { parseSubnetKey } from "./subnet-key.ts";

export interface AcquireRequest {
  readonly network: Ipv4Network;
  readonly publicIp: Ipv4;
  /** The subnet that subnet.env names from an earlier run. */
  readonly previous: Prefix4 | null;
  /** What to announce, given the record that this host already has. */
  readonly advertise: (own: Lease | null) => LeaseAttrs;
  readonly ttl: Millis;
}

export interface AcquireDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onWaiting: (reason: string) => void;
}

export interface Acquired {
  readonly lease: Lease;
  /** The list that the decision was made on; the lease itself may be newer. */
  readonly list: LeaseList;
}

/** Throws `lease.exhausted` when every subnet is taken; waits while etcd does not answer. */
export async function acquireLease(request: AcquireRequest, deps: AcquireDeps, signal: AbortSignal): Promise<Acquired> {
  const complaint = createComplaint({ raised: "cannot lease a subnet yet", settled: "etcd answers again" }, deps);
  let list: LeaseList | null = null;
  for (const delay of delays({ first: millis(100), max: millis(5000), random: deps.random })) {
    try {
      list = await deps.store.list(signal);
      const lease = await attempt(list, request, deps, signal);
      complaint.settle();
      if (lease) return { lease, list };
      deps.log.info("another host took the subnet first; choosing again");
    } catch (error) {
      if (!isRetryable(error)) throw error;
      deps.onWaiting(error.message);
      complaint.raise(error.message);
    }
    await deps.clock.sleep(delay, signal);
  }
  throw new Error("unreachable: delays() never ends");
}

/** Null when the race was lost. */
async function attempt(
  list: LeaseList,
  request: AcquireRequest,
  deps: AcquireDeps,
  signal: AbortSignal,
): Promise<Lease | null> {
  const { network, publicIp, previous } = request;
  const spoilt = list.bad.flatMap(({ key }) => subnetOf(key));
  const decision = decideAcquire({ network, leases: list.leases, spoilt, publicIp, previous, random: deps.random });
  switch (decision.kind) {
    case "exhausted":
      throw new FlannelError("lease.exhausted", { network: network.network, subnets: decision.subnets });
    case "reuse":
      return reuse(decision.lease, request, deps, signal);
    case "claim":
      return claim(decision, request, deps, signal);
  }
}

/** The subnet that a bad record's key spells; none when it is the key that is bad. */
function subnetOf(key: string): readonly Prefix4[] {
  try {
    return [parseSubnetKey(key).v4];
  } catch (error) {
    if (isError(error, "address.invalid")) return [];
    throw error;
  }
}

async function reuse(
  own: Lease,
  request: AcquireRequest,
  deps: AcquireDeps,
  signal: AbortSignal,
): Promise<Lease | null> {
  const outcome = await deps.store.renew(own, request.advertise(own), request.ttl, signal);
  if (outcome.kind === "lost") return null;
  deps.log.info("found the lease of this host and renewed it", { subnet: own.subnet.v4 });
  return outcome.lease;
}

async function claim(
  { subnet, discard }: Extract<AcquireDecision, { kind: "claim" }>,
  request: AcquireRequest,
  deps: AcquireDeps,
  signal: AbortSignal,
): Promise<Lease | null> {
  const attrs = request.advertise(discard[0] ?? null);
  const outcome = await deps.store.claim(subnet, attrs, request.ttl, signal);
  if (outcome.kind === "taken") return null;
  deps.log.info("leased a subnet", { subnet: subnet.v4 });
  // Only now: a crash in between leaves two records of ours, of which the next start finds the usable one.
  for (const former of discard) {
    await deps.store.remove(former, signal);
    deps.log.warn("gave back a lease that no longer fits the network config", { subnet: former.subnet.v4 });
  }
  return outcome.lease;
}
