// Which subnet this host should have, given the leases that exist. Pure policy: claiming, and losing a race for it, is
// the subnet manager's business.

import type { Ip, Prefix } from "../base/ip.ts";
import { prefixLength } from "../base/ip.ts";
import type { Random } from "../base/random.ts";
import { type Identity, ownershipOf, sharesAddress } from "./identity.ts";
import { earlierIpv6Owner } from "./ipv6-owner.ts";
import { hostIp, type Lease, NO_SUBNET4, type Subnet, type SubnetKey } from "./lease.ts";
import type { NetworkConfig } from "./network-config.ts";
import {
  fitsNetwork,
  leasablePart,
  type Run,
  type Spaces,
  type SubnetParts,
  type SubnetSpace,
  spacesOf,
} from "./subnet-space.ts";

export interface AcquireInput {
  readonly network: Pick<NetworkConfig, "ipv4" | "ipv6">;
  readonly leases: readonly Lease[];
  /** Subnets whose keys hold records that are no leases: nobody's, and nevertheless not to be had. */
  readonly spoilt?: readonly Subnet[];
  /** A lease of whoever is known by the same is ours. */
  readonly self: Identity;
  /** All that the interfaces of this host have. */
  readonly addresses?: ReadonlySet<Ip>;
  /** Disputed records whose hosts have shown that they are there. */
  readonly defended?: ReadonlySet<SubnetKey>;
  /** The subnet of our last run, from subnet.env. */
  readonly previous: SubnetParts;
  readonly random: Random;
}

export type AcquireDecision =
  | { readonly kind: "reuse"; readonly lease: Lease }
  /**
   * Ours, and a part of it stays: a family of the network was switched on or off, or its range is another; or another
   * host had the IPv6 subnet first.
   */
  | {
      readonly kind: "rekey";
      readonly lease: Lease;
      readonly subnet: Subnet;
      /** Other records of ours, of which one is enough: to be removed afterwards. */
      readonly discard: readonly Lease[];
      /** Why, as a clause. */
      readonly reason: string;
    }
  /** Perhaps ours: its host is to be asked first. */
  | {
      readonly kind: "challenge";
      readonly lease: Lease;
      /** False for a subnet of which the config allows nothing: to be removed if nobody holds it. */
      readonly isUsable: boolean;
    }
  | {
      readonly kind: "claim";
      readonly subnet: Subnet;
      /** Records of ours that the config no longer allows: to be removed once the claim has succeeded, not before. */
      readonly discard: readonly Lease[];
    }
  /** All of the network's `subnets` are taken. A record of ours is not given up for that. */
  | { readonly kind: "exhausted"; readonly network: Prefix; readonly subnets: number };

/**
 * Our own record if the config still allows it, or as much of it as the config allows, else one that may be ours, else
 * the subnet of our last run if it is free, else any free one.
 */
export function decideAcquire(input: AcquireInput): AcquireDecision {
  const { spoilt = [], previous } = input;
  const spaces = spacesOf(input.network);
  const { own, disputed, others } = sortByOwner(input);
  const partOf = (lease: Lease) => withoutLost(leasablePart(spaces, lease.subnet), lease, input.leases);
  const reused = choose(
    own,
    previous,
    (lease) => fitsNetwork(spaces, lease.subnet) && !isIpv6Lost(lease, input.leases),
  );
  if (reused) return { kind: "reuse", lease: reused };
  const isUsable = (lease: Lease) => isPartOf(partOf(lease));
  const kept = choose(own, previous, isUsable);
  // First whoever may have our address, also with a subnet that the config no longer allows: two must not have one.
  const rival = kept ? undefined : disputed.find(({ attrs }) => sharesAddress(attrs, input.self));
  const doubtful = rival ?? (kept ? undefined : choose(disputed, previous, isUsable));
  if (doubtful) return { kind: "challenge", lease: doubtful, isUsable: isUsable(doubtful) };

  // The new subnet may lie inside one that it replaces, as it must when SubnetLen grew in a network that is full. But a
  // record that is put beside others of ours cannot have what they have.
  const spare = kept ? own.filter((lease) => lease !== kept) : [];
  const taken = [...others, ...disputed, ...spare].map(({ subnet }) => subnet).concat(spoilt);
  const wanted = kept ? partOf(kept) : NOTHING;
  const choice = chooseSubnet(spaces, taken, { keep: wanted, previous }, input.random);
  if ("exhausted" in choice) {
    // No other IPv6 subnet is to be had for one that was another's first: IPv4 goes on without.
    if (kept && fitsNetwork(spaces, kept.subnet)) return { kind: "reuse", lease: kept };
    return { kind: "exhausted", network: choice.exhausted.network, subnets: choice.exhausted.count };
  }
  if (!kept) return { kind: "claim", subnet: choice, discard: own };
  return { kind: "rekey", lease: kept, subnet: choice, discard: spare, reason: rekeyReason(kept, input.leases) };
}

function isIpv6Lost(lease: Lease, leases: readonly Lease[]): boolean {
  return earlierIpv6Owner(lease, leases) !== null;
}

function withoutLost(parts: SubnetParts, lease: Lease, leases: readonly Lease[]): SubnetParts {
  return isIpv6Lost(lease, leases) ? { ...parts, v6: null } : parts;
}

function rekeyReason(lease: Lease, leases: readonly Lease[]): string {
  const owner = earlierIpv6Owner(lease, leases);
  return owner ? `the host ${hostIp(owner.attrs)} had the IPv6 subnet first` : "the network config asks for it";
}

interface ByOwner {
  readonly own: readonly Lease[];
  readonly disputed: readonly Lease[];
  readonly others: readonly Lease[];
}

/** Each sorted by key, so that two starts decide alike. */
function sortByOwner(input: AcquireInput): ByOwner {
  const { leases, self, defended = new Set() } = input;
  const sorted = leases.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const ownerOf = (lease: Lease) => {
    if (defended.has(lease.key)) return "another's";
    return isOfOtherAddress(lease, input) ? "ours" : ownershipOf(lease.attrs, self);
  };
  const owners = new Map(sorted.map((lease) => [lease, ownerOf(lease)]));
  return {
    own: sorted.filter((lease) => owners.get(lease) === "ours"),
    disputed: sorted.filter((lease) => owners.get(lease) === "disputed"),
    others: sorted.filter((lease) => owners.get(lease) === "another's"),
  };
}

/**
 * Compat: of several addresses of a host the Go daemon may have announced another than we choose, a static VIP under DHCP
 * for one. Its record says no id; the subnet file says that the subnet was this host's. An address alone would not do: a
 * VIP that has moved here is in the record of the host that had it before.
 */
function isOfOtherAddress(
  { attrs, subnet: { v4, v6 } }: Lease,
  { addresses, previous }: Pick<AcquireInput, "addresses" | "previous">,
): boolean {
  const isPrevious = v4 === NO_SUBNET4 ? v6 !== null && v6 === previous.v6 : v4 === previous.v4;
  return attrs.nodeId === null && isPrevious && addresses?.has(hostIp(attrs)) === true;
}

/** Of those that will do the one with the subnet of our last run, or the first. */
function choose(
  candidates: readonly Lease[],
  previous: SubnetParts,
  willDo: (lease: Lease) => boolean,
): Lease | undefined {
  const usable = candidates.filter(willDo);
  const isPrevious = ({ subnet: { v4, v6 } }: Lease) =>
    previous.v4 === null ? previous.v6 !== null && v6 === previous.v6 : v4 === previous.v4;
  return usable.find(isPrevious) ?? usable[0];
}

const NOTHING: SubnetParts = { v4: null, v6: null };

function isPartOf({ v4, v6 }: SubnetParts): boolean {
  return v4 !== null || v6 !== null;
}

interface Preference {
  /** Parts that are ours already. */
  readonly keep: SubnetParts;
  /** To be had again if it is free. */
  readonly previous: SubnetParts;
}

/** A subnet of each family of the network, or the space in which none is free. */
function chooseSubnet(
  { v4, v6 }: Spaces,
  taken: readonly Subnet[],
  { keep, previous }: Preference,
  random: Random,
): Subnet | { readonly exhausted: SubnetSpace } {
  const taken4 = taken.map((subnet) => subnet.v4);
  const chosen4 = v4 && (keep.v4 ?? chooseFree(v4, taken4, previous.v4, random));
  if (v4 && chosen4 === null) return { exhausted: v4 };
  if (!v6) return { v4: chosen4 ?? NO_SUBNET4, v6: null };

  const taken6 = taken.flatMap((subnet) => subnet.v6 ?? []);
  const twin = v4 && chosen4 ? twinOf(v4, chosen4, v6) : null;
  const chosen6 = keep.v6 ?? chooseFree(v6, taken6, firstFree(v6, taken6, [previous.v6, twin]), random);
  return chosen6 === null ? { exhausted: v6 } : { v4: chosen4 ?? NO_SUBNET4, v6: chosen6 };
}

/**
 * The IPv6 subnet with the number of the IPv4 one. Two hosts that choose at the same moment cannot get one IPv4 subnet,
 * which the store sees to, and so they do not get one IPv6 subnet either, which it could not.
 */
function twinOf<P extends Prefix, Q extends Prefix>(space: SubnetSpace<P>, subnet: P, other: SubnetSpace<Q>): Q | null {
  const { from } = space.runOf(subnet);
  return from < other.count ? other.at(from) : null;
}

function firstFree<P extends Prefix>(
  space: SubnetSpace<P>,
  taken: readonly P[],
  wishes: readonly (P | null)[],
): P | null {
  return wishes.find((wish) => wish !== null && isFree(space, taken, wish)) ?? null;
}

function chooseFree<P extends Prefix>(
  space: SubnetSpace<P>,
  taken: readonly P[],
  wish: P | null,
  random: Random,
): P | null {
  return firstFree(space, taken, [wish]) ?? chooseAnyFree(space, taken, random);
}

function isFree<P extends Prefix>(space: SubnetSpace<P>, taken: readonly P[], subnet: P): boolean {
  return space.isLeasable(subnet) && !taken.some((other) => occupies(other) && space.overlap(other, subnet));
}

/** A lease of an IPv6-only host says 0.0.0.0/0 and takes no IPv4 subnet. */
function occupies(subnet: Prefix): boolean {
  return prefixLength(subnet) > 0;
}

/** Every free subnet is as likely as every other; null when there is none. Costs O(leases), whatever the range. */
export function chooseAnyFree<P extends Prefix>(space: SubnetSpace<P>, taken: readonly P[], random: Random): P | null {
  const gaps = freeRuns(takenRuns(space, taken), space.count);
  const free = gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  if (free === 0) return null;
  let skip = random.integer(0, free - 1);
  for (const { from, to } of gaps) {
    if (skip <= to - from) return space.at(from + skip);
    skip -= to - from + 1;
  }
  return null;
}

/** What the leases cover of the range: a larger lease covers several subnets, a smaller one spoils the one it is in. */
function takenRuns<P extends Prefix>(space: SubnetSpace<P>, taken: readonly P[]): readonly Run[] {
  return taken
    .filter(occupies)
    .map((lease) => space.runOf(lease))
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
export function countFree<P extends Prefix>(space: SubnetSpace<P>, taken: readonly P[]): number {
  const gaps = freeRuns(takenRuns(space, taken), space.count);
  return gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}
