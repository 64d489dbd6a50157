// Which of the leases are peers that we program, and why the others are not. Pure, and total over whatever stands in the
// store: one operator's slip or one broken host must not cost the others their routes.

import type { Ipv4, Prefix4 } from "../base/ip.ts";
import { ipv4Number, isUnicastIpv4, prefix4Address, prefix4Size, prefixLength } from "../base/ip.ts";
import type { Lease, SubnetKey } from "./lease.ts";
import type { LeaseTable } from "./lease-table.ts";
import type { NetworkConfig } from "./network-config.ts";

export interface LeftOut {
  readonly key: SubnetKey;
  /** A clause about the record: "its public IP 127.0.0.1 is ...". */
  readonly reason: string;
}

export interface Admission {
  /** Sorted by subnet; no two overlap. */
  readonly peers: readonly Lease[];
  /** Sorted by key. */
  readonly leftOut: readonly LeftOut[];
}

export interface AdmissionRules {
  readonly network: NetworkConfig;
  readonly self: Lease;
  /** Ours. "" means udp, as in leases. */
  readonly backendType: string;
}

/** The addresses of an IPv4 subnet as numbers, so that 10,000 leases are parsed once each. */
interface Block {
  readonly start: number;
  readonly last: number;
}

interface Candidate extends Block {
  readonly lease: Lease;
  /** Whether packets can be sent to its public IP. */
  readonly reachable: boolean;
}

/** Everything that is a peer, and for the rest the reason. Our own record is neither. */
export function admitPeers({ leases }: Pick<LeaseTable, "leases">, rules: AdmissionRules): Admission {
  const leftOut: LeftOut[] = [];
  const acceptable: Candidate[] = [];
  const judge = createJudge(rules);
  for (const [key, lease] of leases) {
    if (key === rules.self.key) continue;
    const candidate = candidateOf(lease);
    const reason = judge(candidate);
    if (reason === null) acceptable.push(candidate);
    else leftOut.push({ key, reason });
  }
  const peers: Lease[] = [];
  const settle = (cluster: readonly Candidate[]) => {
    const { admitted, overlapping } = resolveOverlaps(cluster, rules.network.ipv4?.subnetLen ?? 0);
    for (const { lease } of admitted) peers.push(lease);
    for (const one of overlapping) leftOut.push(one);
  };
  const sorted = acceptable.toSorted((a, b) => a.start - b.start);
  for (let from = 0; from < sorted.length; ) {
    const to = endOfCluster(sorted, from);
    const alone = to === from + 1 ? sorted[from] : undefined;
    if (alone) peers.push(alone.lease);
    else settle(sorted.slice(from, to));
    from = to;
  }
  return { peers, leftOut: leftOut.toSorted((a, b) => order(a.key, b.key)) };
}

/** What is wrong with a lease taken by itself. */
function createJudge({ network, self, backendType }: AdmissionRules): (candidate: Candidate) => string | null {
  const whole = network.ipv4 && blockOf(network.ipv4.network);
  const ours = blockOf(self.subnet.v4);
  return (candidate) => {
    const { attrs, subnet } = candidate.lease;
    if (!isSameBackend(backendType, attrs.backendType)) {
      return `its backend is ${attrs.backendType || "udp"}, ours is ${backendType}`;
    }
    if (candidate.start % sizeOf(candidate) !== 0) return `its subnet ${subnet.v4} has a host part`;
    if (whole === null || !contains(whole, candidate)) {
      return `its subnet is not inside the network ${network.ipv4?.network ?? "(IPv4 is disabled)"}`;
    }
    if (contains(ours, candidate) || contains(candidate, ours)) {
      return `its subnet overlaps our own, ${self.subnet.v4}`;
    }
    return complaintAbout(candidate, self.attrs.publicIp);
  };
}

/**
 * Compat: the Go daemon writes no type into a record of its udp backend. Reading, it takes those of every backend for
 * peers, also of hosts where nobody listens.
 */
function isSameBackend(ours: string, theirs: string): boolean {
  return (ours || "udp") === (theirs || "udp");
}

function complaintAbout({ lease, reachable }: Candidate, ours: Ipv4): string | null {
  const { publicIp } = lease.attrs;
  if (!reachable) return `its public IP ${publicIp} is not an address that a packet can be sent to`;
  if (publicIp !== ours) return null;
  return `its public IP ${publicIp} is our own: it is a stale record of this host, or a second host has our address`;
}

/** Up to where candidates, sorted by address, overlap one another; mostly each is alone. */
function endOfCluster(sorted: readonly Candidate[], from: number): number {
  let reached = sorted[from]?.last ?? 0;
  for (let index = from + 1; index < sorted.length; index++) {
    const candidate = sorted[index];
    if (!candidate || candidate.start > reached) return index;
    reached = Math.max(reached, candidate.last);
  }
  return sorted.length;
}

interface Resolution {
  /** Sorted by address. */
  readonly admitted: readonly Candidate[];
  readonly overlapping: readonly LeftOut[];
}

/**
 * Records of the configured length come first, then the lower key. Prefixes overlap when one contains the other, so it
 * is enough to remember every admitted block and the larger blocks around it, of those sizes only that occur.
 */
function resolveOverlaps(cluster: readonly Candidate[], subnetLen: number): Resolution {
  const sizes = [...new Set(cluster.map(sizeOf))];
  const blocks = new Map<string, Candidate>();
  const surroundings = new Map<string, Candidate>();
  const admitted: Candidate[] = [];
  const overlapping: LeftOut[] = [];
  for (const candidate of cluster.toSorted((a, b) => precedence(a, b, subnetLen))) {
    const around = sizes.filter((size) => size >= sizeOf(candidate)).map((size) => blockAround(candidate, size));
    const container = around.map((block) => blocks.get(block)).find((found) => found !== undefined);
    const other = container ?? surroundings.get(blockAround(candidate, sizeOf(candidate)));
    if (other) {
      const { key, attrs } = other.lease;
      overlapping.push({
        key: candidate.lease.key,
        reason: `its subnet overlaps that of ${key}, host ${attrs.publicIp}`,
      });
      continue;
    }
    admitted.push(candidate);
    blocks.set(blockAround(candidate, sizeOf(candidate)), candidate);
    for (const block of around) surroundings.set(block, candidate);
  }
  return { admitted: admitted.toSorted((a, b) => a.start - b.start), overlapping };
}

function precedence(a: Candidate, b: Candidate, subnetLen: number): number {
  const rank = (candidate: Candidate) => (sizeOf(candidate) === prefix4Size(subnetLen) ? 0 : 1);
  return rank(a) - rank(b) || order(a.lease.key, b.lease.key);
}

function blockAround({ start }: Block, size: number): string {
  return `${start - (start % size)} ${size}`;
}

function contains(outer: Block, inner: Block): boolean {
  return inner.start >= outer.start && inner.last <= outer.last;
}

function sizeOf({ start, last }: Block): number {
  return last - start + 1;
}

/** A lease keeps its identity while it is unchanged: it is parsed once, and not at every change of another. */
const candidates = new WeakMap<Lease, Candidate>();

function candidateOf(lease: Lease): Candidate {
  const known = candidates.get(lease);
  if (known) return known;
  const candidate = { ...blockOf(lease.subnet.v4), lease, reachable: isUnicastIpv4(lease.attrs.publicIp) };
  candidates.set(lease, candidate);
  return candidate;
}

function blockOf(subnet: Prefix4): Block {
  const start = ipv4Number(prefix4Address(subnet));
  return { start, last: start + prefix4Size(prefixLength(subnet)) - 1 };
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
