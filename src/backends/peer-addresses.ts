// Where a peer answers pings: on the underlay at its public addresses, and through the overlay at those of its own device.

import { type Ip, NO_IPV4, prefix4Address } from "../base/ip.ts";
import type { Ipv6, Prefix6 } from "../base/ipv6.ts";
import { describeSubnet, type Lease, type LeaseAttrs } from "../subnet/lease.ts";

export interface PeerAddress {
  readonly over: "underlay" | "overlay";
  readonly ip: Ip;
}

/** Compat: records of the udp backend have no type. Other backends make no device that has an address of the overlay. */
const WITH_DEVICE: readonly string[] = ["vxlan", "", "udp"];

export function peerAddresses({ subnet, attrs }: Pick<Lease, "subnet" | "attrs">): readonly PeerAddress[] {
  const { publicIp, publicIpv6, backendType } = attrs;
  const hasDevice = WITH_DEVICE.includes(backendType);
  return [
    ...(publicIp === NO_IPV4 ? [] : [{ over: "underlay" as const, ip: publicIp }]),
    ...(hasDevice && publicIp !== NO_IPV4 ? [{ over: "overlay" as const, ip: prefix4Address(subnet.v4) }] : []),
    ...(publicIpv6 === null ? [] : [{ over: "underlay" as const, ip: publicIpv6 }]),
    ...(hasDevice && publicIpv6 !== null && subnet.v6 !== null
      ? [{ over: "overlay" as const, ip: prefix6Address(subnet.v6) }]
      : []),
  ];
}

function prefix6Address(prefix: Prefix6): Ipv6 {
  return prefix.slice(0, prefix.indexOf("/")) as Ipv6;
}

/** The address that peers send to; that of IPv6 where there is no other. */
export function publicIpOf({ publicIp, publicIpv6 }: Pick<LeaseAttrs, "publicIp" | "publicIpv6">): Ip {
  return publicIp === NO_IPV4 ? (publicIpv6 ?? publicIp) : publicIp;
}

/** For people: "192.168.77.12 (10.5.2.0/24)". */
export function describePeer({ subnet, attrs }: Pick<Lease, "subnet" | "attrs">): string {
  return `${publicIpOf(attrs)} (${describeSubnet(subnet)})`;
}
