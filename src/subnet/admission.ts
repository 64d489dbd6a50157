// Which of the leases are peers that we program, and why the others are not. Pure, and total over whatever stands in the
// store: one operator's slip or one broken host must not cost the others their routes. Each family is judged by itself: a
// host whose IPv6 subnet is of no use is a peer by IPv4 all the same.

import { type Family, familyOf, ipv4Number, isUnicastIpv4, type Prefix, type Prefix4 } from "../base/ip.ts";
import { ipv6Number, isUnicastIpv6, type Prefix6 } from "../base/ipv6.ts";
import {
  admitInTurn,
  type Block,
  type Blocks,
  byStart,
  clustersOf,
  contains,
  IPV4_BLOCKS,
  IPV6_BLOCKS,
} from "./blocks.ts";
import { byCreation } from "./ipv6-owner.ts";
import { hasIpv4, hostIp, type Lease, type LeaseAttrs, type SubnetKey } from "./lease.ts";
import { withoutIpv4, withoutIpv6 } from "./lease-parts.ts";
import type { LeaseTable } from "./lease-table.ts";
import type { NetworkConfig } from "./network-config.ts";

export interface LeftOut {
  readonly key: SubnetKey;
  /** A clause about the record: "its public IP 127.0.0.1 is ...". */
  readonly reason: string;
}

export interface Admission {
  /** Sorted by subnet; no two overlap. Each has those families only in which it is a peer. */
  readonly peers: readonly Lease[];
  /** Sorted by key. A host that is left out in one family may be a peer in the other. */
  readonly leftOut: readonly LeftOut[];
}

export interface AdmissionRules {
  readonly network: NetworkConfig;
  /** Null on a host that has no record. */
  readonly self: Lease | null;
  /** Ours. "" means udp, as in leases. */
  readonly backendType: string;
  /** What the underlay interface reaches without a gateway; empty where that is not known. */
  readonly onLink: readonly Prefix[];
}

/** Everything that is a peer, and for the rest the reason. Our own record is neither. */
export function admitPeers({ leases }: Pick<LeaseTable, "leases">, rules: AdmissionRules): Admission {
  const { network, self } = rules;
  const others = [...leases.values()].filter(({ key }) => key !== self?.key);
  if (network.ipv6 === null) {
    const { admitted, leftOut } = admitByFamily(others, IPV4, network.ipv4, rules);
    return { peers: admitted.map(withoutIpv6), leftOut: listed(leftOut) };
  }
  if (network.ipv4 === null) {
    const { admitted, leftOut } = admitByFamily(others, IPV6, network.ipv6, rules);
    return { peers: admitted.map(withoutIpv4), leftOut: listed(leftOut) };
  }
  const v4 = admitByFamily(
    others.filter(({ subnet }) => hasIpv4(subnet) || subnet.v6 === null),
    IPV4,
    network.ipv4,
    rules,
  );
  const v6 = admitByFamily(
    others.filter(({ subnet }) => subnet.v6 !== null),
    IPV6,
    network.ipv6,
    rules,
  );
  return { peers: joined(v4.admitted, v6.admitted), leftOut: listed([...v4.leftOut, ...v6.leftOut]) };
}

/** Those of both families first. */
function joined(v4: readonly Lease[], v6: readonly Lease[]): readonly Lease[] {
  const [have4, have6] = [new Set(v4), new Set(v6)];
  const rest = v6.filter((lease) => !have4.has(lease)).map(withoutIpv4);
  return [...v4.map((lease) => (have6.has(lease) ? lease : withoutIpv6(lease))), ...rest];
}

/** A record that is left out for two reasons is listed once. */
function listed(leftOut: readonly LeftOut[]): readonly LeftOut[] {
  const reasons = new Map<SubnetKey, string>();
  for (const { key, reason } of leftOut) {
    const other = reasons.get(key);
    reasons.set(key, other === undefined || other === reason ? reason : `${other}; ${reason}`);
  }
  return [...reasons].map(([key, reason]) => ({ key, reason })).toSorted((a, b) => order(a.key, b.key));
}

interface Candidate<N extends number | bigint> extends Block<N> {
  readonly lease: Lease;
  /** Its public IP is one of its subnet's addresses. */
  readonly isInside: boolean;
}

/** What differs between the two. */
interface LeaseFamily<P extends Prefix, N extends number | bigint> {
  readonly blocks: Blocks<P, N>;
  readonly subnetOf: (lease: Lease) => P | null;
  readonly lacking: string;
  readonly family: Family;
  /** Where packets are to be sent to, as a number. */
  readonly addressOf: (attrs: LeaseAttrs) => N | null;
  /** What is wrong with the address that packets are to be sent to. */
  readonly addressFault: (theirs: LeaseAttrs, ours: LeaseAttrs | null) => string | null;
  /** Which of two that overlap is first when both have the configured length, or neither. */
  readonly order: (a: Lease, b: Lease) => number;
  /** A lease keeps its identity while it is unchanged: it is parsed once, and not at every change of another. */
  readonly candidates: WeakMap<Lease, Candidate<N>>;
}

const IPV4: LeaseFamily<Prefix4, number> = {
  blocks: IPV4_BLOCKS,
  subnetOf: ({ subnet }) => subnet.v4,
  lacking: "it has no IPv4 subnet",
  family: "ipv4",
  addressOf: ({ publicIp }) => ipv4Number(publicIp),
  addressFault: ({ publicIp }, ours) =>
    isUnicastIpv4(publicIp) ? ownAddress(publicIp, ours?.publicIp ?? null) : unreachable(publicIp),
  order: (a, b) => order(a.key, b.key),
  candidates: new WeakMap(),
};

const IPV6: LeaseFamily<Prefix6, bigint> = {
  blocks: IPV6_BLOCKS,
  subnetOf: ({ subnet }) => subnet.v6,
  lacking: "it has no IPv6 subnet",
  family: "ipv6",
  addressOf: ({ publicIpv6 }) => publicIpv6 && ipv6Number(publicIpv6),
  addressFault({ publicIpv6 }, ours) {
    if (publicIpv6 === null) return "it has no public IPv6 address";
    return isUnicastIpv6(publicIpv6) ? ownAddress(publicIpv6, ours?.publicIpv6 ?? null) : unreachable(publicIpv6);
  },
  order: byCreation,
  candidates: new WeakMap(),
};

function unreachable(address: string): string {
  return `its public IP ${address} is not an address that a packet can be sent to`;
}

function ownAddress(theirs: string, ours: string | null): string | null {
  if (theirs !== ours) return null;
  return `its public IP ${theirs} is our own: it is a stale record of this host, or a second host has our address`;
}

interface FamilyAdmission {
  /** Sorted by address. */
  readonly admitted: readonly Lease[];
  readonly leftOut: readonly LeftOut[];
}

function admitByFamily<P extends Prefix, N extends number | bigint>(
  leases: readonly Lease[],
  family: LeaseFamily<P, N>,
  network: { readonly network: P; readonly subnetLen: number } | null,
  rules: AdmissionRules,
): FamilyAdmission {
  const leftOut: LeftOut[] = [];
  const acceptable: Candidate<N>[] = [];
  const judge = createJudge(family, network?.network ?? null, rules);
  const intrudes = createIntrusion(family, network, rules);
  for (const lease of leases) {
    const candidate = candidateOf(lease, family);
    const reason = candidate === null ? family.lacking : (judge(candidate) ?? intrudes(candidate));
    if (candidate !== null && reason === null) acceptable.push(candidate);
    else if (reason !== null) leftOut.push({ key: lease.key, reason });
  }
  const admitted: Lease[] = [];
  for (const cluster of clustersOf<N, Candidate<N>>(acceptable.toSorted(byStart))) {
    const turns = cluster.toSorted((a, b) => precedence(a, b, network?.subnetLen ?? 0, family.order));
    const resolved = cluster.length === 1 ? { admitted: cluster, refused: [] } : admitInTurn(turns, family.blocks);
    admitted.push(...resolved.admitted.toSorted(byStart).map(({ lease }) => lease));
    for (const { block, by } of resolved.refused) leftOut.push(overlapping(block.lease, by.lease));
  }
  return { admitted, leftOut };
}

/** What is wrong with a lease taken by itself. */
function createJudge<P extends Prefix, N extends number | bigint>(
  family: LeaseFamily<P, N>,
  network: P | null,
  { self, backendType }: AdmissionRules,
): (candidate: Candidate<N>) => string | null {
  const { blocks, subnetOf, addressFault } = family;
  const whole = network && blocks.blockOf(network);
  const own = self && subnetOf(self);
  const ours = own && blocks.blockOf(own);
  return (candidate) => {
    const { attrs } = candidate.lease;
    if (!isSameBackend(backendType, attrs.backendType)) {
      return `its backend is ${attrs.backendType || "udp"}, ours is ${backendType}`;
    }
    const subnet = subnetOf(candidate.lease);
    if (!blocks.isAligned(candidate.start, candidate.length)) return `its subnet ${subnet} has a host part`;
    if (whole === null || !contains(whole, candidate)) {
      return `its subnet is not inside the network ${network ?? "(IPv4 is disabled)"}`;
    }
    if (ours && (contains(ours, candidate) || contains(candidate, ours))) {
      return `its subnet overlaps our own, ${own}`;
    }
    return addressFault(attrs, self?.attrs ?? null);
  };
}

/**
 * What would send packets for the hosts themselves into the overlay, in which they go round: one such record would cost
 * this host its peers, or etcd, which alone could tell it that the record has gone. Networks that hosts are in, too, are
 * usual (10.0.0.0/8 with SubnetMin and SubnetMax), so that lying on their link is no fault in a subnet like all others.
 */
function createIntrusion<P extends Prefix, N extends number | bigint>(
  { blocks, subnetOf, family, addressOf }: LeaseFamily<P, N>,
  network: { readonly network: P; readonly subnetLen: number } | null,
  { self, onLink }: AdmissionRules,
): (candidate: Candidate<N>) => string | null {
  const whole = network && blocks.blockOf(network.network);
  const own = self && addressOf(self.attrs);
  const links = onLink
    .filter((prefix) => familyOf(prefix) === family)
    .map((prefix) => ({ prefix, block: blocks.blockOf(prefix as P) }))
    .filter(({ block }) => whole !== null && !contains(block, whole));
  return (candidate) => {
    const subnet = subnetOf(candidate.lease);
    if (candidate.isInside) {
      return `its public IP is inside its own subnet ${subnet}: flanneld there took the address of a bridge or of the overlay, and needs --iface or --public-ip`;
    }
    if (holds(candidate, own)) return `its subnet ${subnet} contains our own public IP`;
    if (candidate.length === network?.subnetLen) return null;
    const link = links.find(({ block }) => contains(block, candidate) || contains(candidate, block));
    return link
      ? `its subnet ${subnet} overlaps ${link.prefix}, where hosts are, and is not a /${network?.subnetLen}`
      : null;
  };
}

function holds<N extends number | bigint>({ start, last }: Block<N>, address: N | null): boolean {
  return address !== null && address >= start && address <= last;
}

/**
 * Compat: the Go daemon writes no type into a record of its udp backend. Reading, it takes those of every backend for
 * peers, also of hosts where nobody listens.
 */
function isSameBackend(ours: string, theirs: string): boolean {
  return (ours || "udp") === (theirs || "udp");
}

function overlapping({ key }: Lease, other: Lease): LeftOut {
  return { key, reason: `its subnet overlaps that of ${other.key}, host ${hostIp(other.attrs)}` };
}

/** Records of the configured length come first. */
function precedence<N extends number | bigint>(
  a: Candidate<N>,
  b: Candidate<N>,
  subnetLen: number,
  within: (a: Lease, b: Lease) => number,
): number {
  const rank = ({ length }: Candidate<N>) => (length === subnetLen ? 0 : 1);
  return rank(a) - rank(b) || within(a.lease, b.lease);
}

function candidateOf<P extends Prefix, N extends number | bigint>(
  lease: Lease,
  { blocks, subnetOf, addressOf, candidates }: LeaseFamily<P, N>,
): Candidate<N> | null {
  const known = candidates.get(lease);
  if (known) return known;
  const subnet = subnetOf(lease);
  if (subnet === null) return null;
  const block = blocks.blockOf(subnet);
  const candidate = { ...block, lease, isInside: holds(block, addressOf(lease.attrs)) };
  candidates.set(lease, candidate);
  return candidate;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
