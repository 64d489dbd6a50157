// Which peers a host looks at when there are thousands, and at which of their addresses. Pure.

import type { Family, Ip } from "../base/ip.ts";
import { hostIp, type Lease } from "../subnet/lease.ts";

const SAMPLE = 24;

/** At most 24, chosen evenly. */
export function samplePeers(peers: readonly Lease[]): readonly Lease[] {
  if (peers.length <= SAMPLE) return peers;
  return Array.from({ length: SAMPLE }, (_, index) => peers[Math.floor((index * peers.length) / SAMPLE)]).filter(
    (peer) => peer !== undefined,
  );
}

/** The way to it is the kernel's way to this address. A record may have one of IPv4 from when the network had IPv4. */
export function wayAddress({ attrs }: Lease, families: readonly Family[]): Ip {
  return attrs.publicIpv6 !== null && !families.includes("ipv4") ? attrs.publicIpv6 : hostIp(attrs);
}
