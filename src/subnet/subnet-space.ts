// The subnets of one family that a network can lease, numbered from 0, so that choosing one is the same for both families.
// The list of them is never made: with SubnetLen 30 a /8 has four million.

import {
  ipv4FromNumber,
  ipv4Number,
  type Prefix,
  type Prefix4,
  prefix4Address,
  prefix4Overlaps,
  prefixLength,
} from "../base/ip.ts";
import { ipv6FromNumber, ipv6Number, type Prefix6, prefix6Address, prefix6Overlaps } from "../base/ipv6.ts";
import { NO_SUBNET4, type Subnet } from "./lease.ts";
import type { Ipv4Network, Ipv6Network, NetworkConfig } from "./network-config.ts";

/** Numbers of subnets, both ends included. */
export interface Run {
  readonly from: number;
  readonly to: number;
}

export interface SubnetSpace<P extends Prefix = Prefix> {
  readonly network: P;
  readonly count: number;
  /** The subnet at `index` in [0, count). */
  at(index: number): P;
  /** Which subnets a prefix covers or is in; may be outside [0, count), and is then not exact. */
  runOf(prefix: P): Run;
  /** True for one of the subnets: of the configured length, from SubnetMin to SubnetMax. */
  isLeasable(prefix: P): boolean;
  overlap(a: P, b: P): boolean;
}

export interface Spaces {
  /** Null when the network has no IPv4. */
  readonly v4: SubnetSpace<Prefix4> | null;
  readonly v6: SubnetSpace<Prefix6> | null;
}

/** Of an IPv6 network that has more, the others are not used: no network has as many hosts, and numbers stay exact. */
const MOST = 2 ** 32;

interface Arithmetic<P extends Prefix> {
  readonly bits: number;
  readonly numberOf: (prefix: P) => bigint;
  readonly prefixAt: (address: bigint, length: number) => P;
  readonly overlap: (a: P, b: P) => boolean;
}

const ARITHMETIC4: Arithmetic<Prefix4> = {
  bits: 32,
  numberOf: (prefix) => BigInt(ipv4Number(prefix4Address(prefix))),
  prefixAt: (address, length) => `${ipv4FromNumber(Number(address))}/${length}` as Prefix4,
  overlap: prefix4Overlaps,
};

const ARITHMETIC6: Arithmetic<Prefix6> = {
  bits: 128,
  numberOf: (prefix) => ipv6Number(prefix6Address(prefix)),
  prefixAt: (address, length) => `${ipv6FromNumber(address)}/${length}` as Prefix6,
  overlap: prefix6Overlaps,
};

export function ipv4Space({ subnetMin, subnetMax, ...network }: Ipv4Network): SubnetSpace<Prefix4> {
  const bounds = { first: BigInt(ipv4Number(subnetMin)), last: BigInt(ipv4Number(subnetMax)) };
  return createSpace({ ...network, ...bounds }, ARITHMETIC4);
}

export function ipv6Space({ subnetMin, subnetMax, ...network }: Ipv6Network): SubnetSpace<Prefix6> {
  return createSpace({ ...network, first: ipv6Number(subnetMin), last: ipv6Number(subnetMax) }, ARITHMETIC6);
}

export function spacesOf({ ipv4, ipv6 }: Pick<NetworkConfig, "ipv4" | "ipv6">): Spaces {
  return { v4: ipv4 && ipv4Space(ipv4), v6: ipv6 && ipv6Space(ipv6) };
}

interface Range<P extends Prefix> {
  readonly network: P;
  readonly subnetLen: number;
  readonly first: bigint;
  readonly last: bigint;
}

function createSpace<P extends Prefix>(
  { network, subnetLen, first, last }: Range<P>,
  { bits, numberOf, prefixAt, overlap }: Arithmetic<P>,
): SubnetSpace<P> {
  const shift = BigInt(bits - subnetLen);
  const indexOf = (address: bigint) => Number((address - first) >> shift);
  return {
    network,
    count: Math.min(indexOf(last) + 1, MOST),
    overlap,
    at: (index) => prefixAt(first + (BigInt(index) << shift), subnetLen),
    runOf(prefix) {
      const start = numberOf(prefix);
      const end = start + (1n << BigInt(bits - prefixLength(prefix))) - 1n;
      return { from: indexOf(start), to: indexOf(end) };
    },
    isLeasable(prefix) {
      const start = numberOf(prefix);
      return prefixLength(prefix) === subnetLen && start >= first && start <= last;
    },
  };
}

/** What of a subnet the network can lease: null for a family that it has not, or where it does not fit. */
export function leasablePart({ v4, v6 }: Spaces, subnet: SubnetParts): SubnetParts {
  return {
    v4: subnet.v4 !== null && v4?.isLeasable(subnet.v4) ? subnet.v4 : null,
    v6: subnet.v6 !== null && v6?.isLeasable(subnet.v6) ? subnet.v6 : null,
  };
}

/** A subnet of which a family may be unknown. */
export interface SubnetParts {
  readonly v4: Prefix4 | null;
  readonly v6: Prefix6 | null;
}

/** True when the network can lease the subnet as it is: a part for each of its families, and none for another. */
export function fitsNetwork(spaces: Spaces, { v4, v6 }: Subnet): boolean {
  const fits4 = spaces.v4 ? spaces.v4.isLeasable(v4) : v4 === NO_SUBNET4;
  const fits6 = spaces.v6 ? v6 !== null && spaces.v6.isLeasable(v6) : v6 === null;
  return fits4 && fits6;
}
