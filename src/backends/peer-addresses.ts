// Where a peer answers pings: on the underlay at its public addresses, and through the overlay at those of its own device.

import { type Ip, NO_IPV4, prefix4Address } from "../base/ip.ts";
import { prefix6Address } from "../base/ipv6.ts";
import { describeSubnet, hasIpv4, hostIp, type Lease } from "../subnet/lease.ts";

export interface PeerAddress {
  readonly over: "underlay" | "overlay";
  readonly ip: Ip;
}

/** Compat: records of the udp backend have no type. Other backends make no device that has an address of the overlay. */
const WITH_DEVICE: readonly string[] = ["vxlan", "", "udp"];

/** Of those families only in which the lease has a subnet: an address of another says nothing of the overlay. */
export function peerAddresses({ subnet, attrs }: Pick<Lease, "subnet" | "attrs">): readonly PeerAddress[] {
  const { publicIp, publicIpv6, backendType } = attrs;
  const hasDevice = WITH_DEVICE.includes(backendType);
  const waysOf = (outer: Ip, inner: Ip): readonly PeerAddress[] => [
    { over: "underlay", ip: outer },
    ...(hasDevice ? [{ over: "overlay" as const, ip: inner }] : []),
  ];
  return [
    ...(hasIpv4(subnet) && publicIp !== NO_IPV4 ? waysOf(publicIp, prefix4Address(subnet.v4)) : []),
    ...(subnet.v6 !== null && publicIpv6 !== null ? waysOf(publicIpv6, prefix6Address(subnet.v6)) : []),
  ];
}

/** For people: "192.168.77.12 (10.5.2.0/24)". */
export function describePeer({ subnet, attrs }: Pick<Lease, "subnet" | "attrs">): string {
  return `${hostIp(attrs)} (${describeSubnet(subnet)})`;
}
