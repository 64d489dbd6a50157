// Which subnet this host should have, given the leases that exist. Pure policy: claiming, and losing a race for it, is
// the subnet manager's business. IPv4 only.

import type { Prefix4 } from "../base/ip.ts";
import { ipv4Number, prefix4Address, prefix4Overlaps, prefix4Size, prefixLength } from "../base/ip.ts";
import type { Random } from "../base/random.ts";
import { type Identity, ownershipOf } from "./identity.ts";
import type { Lease, Subnet, SubnetKey } from "./lease.ts";
import type { Ipv4Network } from "./network-config.ts";
import { countSubnets, isLeasable, subnetAt } from "./network-config.ts";

export interface AcquireInput {
  readonly network: Ipv4Network;
  readonly leases: readonly Lease[];
  /** Subnets whose keys hold records that are no leases: nobody's, and nevertheless not to be had. */
  readonly spoilt?: readonly Prefix4[];
  /** A lease of whoever is known by the same is ours. */
  readonly self: Identity;
  /** Disputed records whose hosts have shown that they are there. */
  readonly defended?: ReadonlySet<SubnetKey>;
  /** The subnet of our last run, from subnet.env. */
  readonly previous: Prefix4 | null;
  readonly random: Random;
}

export type AcquireDecision =
  | { readonly kind: "reuse"; readonly lease: Lease }
  /** Perhaps ours: its host is to be asked first. */
  | {
      readonly kind: "challenge";
      readonly lease: Lease;
      /** False for a subnet that the config no longer allows: to be removed if nobody holds it. */
      readonly isUsable: boolean;
    }
  | {
      readonly kind: "claim";
      readonly subnet: Subnet;
      /** Records of ours that the config no longer allows: to be removed once the claim has succeeded, not before. */
      readonly discard: readonly Lease[];
    }
  /** All of `subnets` are taken. A record of ours is not given up for that. */
  | { readonly kind: "exhausted"; readonly subnets: number };

/**
 * Our own record if the config still allows it, else one that may be ours, else the subnet of our last run if it is free,
 * else any free one.
 */
export function decideAcquire(input: AcquireInput): AcquireDecision {
  const { network, spoilt = [], previous, random } = input;
  const { own, disputed, others } = sortByOwner(input);
  const reused = choose(own, input);
  if (reused) return { kind: "reuse", lease: reused };
  // First whoever may have our address, also with a subnet that the config no longer allows: two must not have one.
  const rival = disputed.find(({ attrs }) => attrs.publicIp === input.self.publicIp);
  const doubtful = rival ?? choose(disputed, input);
  if (doubtful) return { kind: "challenge", lease: doubtful, isUsable: isUsable(doubtful, network) };

  // The new subnet may lie inside one that it replaces, as it must when SubnetLen grew in a network that is full.
  const taken = [...others, ...disputed].map(({ subnet }) => subnet.v4).concat(spoilt);
  const subnet = previous && isFree(network, taken, previous) ? previous : chooseFreeSubnet(network, taken, random);
  if (subnet === null) return { kind: "exhausted", subnets: countSubnets(network) };
  return { kind: "claim", subnet: { v4: subnet, v6: null }, discard: own };
}

interface ByOwner {
  readonly own: readonly Lease[];
  readonly disputed: readonly Lease[];
  readonly others: readonly Lease[];
}

/** Each sorted by key, so that two starts decide alike. */
function sortByOwner({ leases, self, defended = new Set() }: AcquireInput): ByOwner {
  const sorted = leases.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const owners = new Map(
    sorted.map((lease) => [lease, defended.has(lease.key) ? "another's" : ownershipOf(lease.attrs, self)]),
  );
  return {
    own: sorted.filter((lease) => owners.get(lease) === "ours"),
    disputed: sorted.filter((lease) => owners.get(lease) === "disputed"),
    others: sorted.filter((lease) => owners.get(lease) === "another's"),
  };
}

/** Of those that the config allows the one with the subnet of our last run, or the first. */
function choose(candidates: readonly Lease[], { network, previous }: AcquireInput): Lease | undefined {
  const usable = candidates.filter((lease) => isUsable(lease, network));
  return usable.find(({ subnet }) => subnet.v4 === previous) ?? usable[0];
}

function isUsable({ subnet }: Lease, network: Ipv4Network): boolean {
  return subnet.v6 === null && isLeasable(network, subnet.v4);
}

function isFree(network: Ipv4Network, taken: readonly Prefix4[], subnet: Prefix4): boolean {
  return isLeasable(network, subnet) && !taken.some((other) => occupies(other) && prefix4Overlaps(other, subnet));
}

/** A lease of an IPv6-only host says 0.0.0.0/0 and takes no IPv4 subnet. */
function occupies(subnet: Prefix4): boolean {
  return prefixLength(subnet) > 0;
}

/** Indices of leasable subnets, both ends included. */
interface Run {
  readonly from: number;
  readonly to: number;
}

/** Every free subnet is as likely as every other; null when there is none. Costs O(leases), whatever the range. */
export function chooseFreeSubnet(network: Ipv4Network, taken: readonly Prefix4[], random: Random): Prefix4 | null {
  const gaps = freeRuns(takenRuns(network, taken), countSubnets(network));
  const free = gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  if (free === 0) return null;
  let skip = random.integer(0, free - 1);
  for (const { from, to } of gaps) {
    if (skip <= to - from) return subnetAt(network, from + skip);
    skip -= to - from + 1;
  }
  return null;
}

/** What the leases cover of the range: a larger lease covers several subnets, a smaller one spoils the one it is in. */
function takenRuns(network: Ipv4Network, taken: readonly Prefix4[]): readonly Run[] {
  const first = ipv4Number(network.subnetMin);
  const size = prefix4Size(network.subnetLen);
  return taken
    .filter(occupies)
    .map((lease) => {
      const start = ipv4Number(prefix4Address(lease)) - first;
      const last = start + prefix4Size(prefixLength(lease)) - 1;
      return { from: Math.floor(start / size), to: Math.floor(last / size) };
    })
    .toSorted((a, b) => a.from - b.from);
}

/** The gaps between runs sorted by their beginning, in [0, count). */
function freeRuns(runs: readonly Run[], count: number): readonly Run[] {
  const gaps: Run[] = [];
  let next = 0;
  for (const { from, to } of [...runs, { from: count, to: count }]) {
    const last = Math.min(from, count) - 1;
    if (last >= next) gaps.push({ from: next, to: last });
    next = Math.max(next, to + 1);
  }
  return gaps;
}

/** How many subnets could still be leased. */
export function countFreeSubnets(network: Ipv4Network, taken: readonly Prefix4[]): number {
  const gaps = freeRuns(takenRuns(network, taken), countSubnets(network));
  return gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}
