// Address ranges that no container can have an address of. Pure.

import { type Ipv4, ipv4Number, type Prefix, parsePrefix4, prefixLength } from "../base/ip.ts";
import { type Ipv6, ipv6Number, parsePrefix6 } from "../base/ipv6.ts";

interface SpecialRange {
  readonly prefix: Prefix;
  readonly use: string;
}

/** RFC 6890: those to which hosts send and from which they take nothing as ordinary unicast. */
const RANGES: readonly SpecialRange[] = [
  { prefix: parsePrefix4("127.0.0.0/8"), use: "loopback" },
  { prefix: parsePrefix4("169.254.0.0/16"), use: "link-local addresses" },
  { prefix: parsePrefix4("224.0.0.0/4"), use: "multicast" },
  { prefix: parsePrefix6("::1/128"), use: "loopback" },
  { prefix: parsePrefix6("fe80::/10"), use: "link-local addresses" },
  { prefix: parsePrefix6("ff00::/8"), use: "multicast" },
];

/** One that the network overlaps, whichever is the larger; null for an ordinary network. */
export function specialRangeIn(network: Prefix): SpecialRange | null {
  const found = RANGES.find(({ prefix }) => {
    if (isIpv6(prefix) !== isIpv6(network)) return false;
    const length = Math.min(prefixLength(prefix), prefixLength(network));
    return leadingBits(prefix, length) === leadingBits(network, length);
  });
  return found ?? null;
}

function isIpv6(prefix: Prefix): boolean {
  return prefix.includes(":");
}

function leadingBits(prefix: Prefix, length: number): bigint {
  const address = prefix.slice(0, prefix.indexOf("/"));
  return isIpv6(prefix)
    ? ipv6Number(address as Ipv6) >> BigInt(128 - length)
    : BigInt(ipv4Number(address as Ipv4)) >> BigInt(32 - length);
}
