// What differs between the two families of vxlan: each has a device of its own, over an underlay of its own family, and
// stands in a record with a MAC of its own. Everything else is the same.

import { type Family, type Ip, NO_IPV4, type Prefix } from "../base/ip.ts";
import { isUnicastMac, type Mac, parseMac } from "../base/mac.ts";
import {
  type FdbEntry,
  FLANNEL_PROTOCOL,
  type LinkName,
  type Neighbour,
  type Route,
  usualMetric,
} from "../net/objects.ts";
import type { Underlay } from "../net/underlay.ts";
import { hasIpv4, type Json, type Lease } from "../subnet/lease.ts";
import { rememberByLease } from "./by-lease.ts";

export interface VxlanSide {
  readonly family: Family;
  readonly dev: LinkName;
  /** Bytes of the headers around an inner packet. */
  readonly overhead: number;
  /** The record's member that says how to send there. */
  readonly member: "BackendData" | "BackendV6Data";
  /** The tunnel's end on this host; null in a network without the family. */
  readonly local: (underlay: Underlay) => Ip | null;
  readonly subnetOf: (lease: Lease) => Prefix | null;
  /** The VTEP MAC that a record announces; null when there is none that a host could have. */
  readonly macOf: (lease: Lease) => Mac | null;
  /** What leads to a peer; null when it cannot be had. The same objects for the same lease. */
  readonly tunnelTo: (peer: Lease) => Tunnel | null;
}

/** Outer Ethernet is the underlay's; within it IPv4 (20), UDP (8), VXLAN (8) and inner Ethernet (14) headers. */
export const OVERHEAD = 50;
/** The outer header of IPv6 has 40 bytes. */
const OVERHEAD6 = 70;

export interface Tunnel {
  readonly neighbour: Neighbour;
  readonly route: Route;
  readonly fdb: FdbEntry;
}

export function ipv4Side(vni: number): VxlanSide {
  const dev = `flannel.${vni}` as LinkName;
  const macOf = rememberByLease(({ attrs }: Lease) => readMac(attrs.backendData));
  const subnetOf = ({ subnet }: Lease) => (hasIpv4(subnet) ? subnet.v4 : null);
  return {
    family: "ipv4",
    dev,
    overhead: OVERHEAD,
    member: "BackendData",
    // Not the public IP: behind NAT the host does not own that, and the kernel would not send from it.
    local: ({ address }) => (address === NO_IPV4 ? null : address),
    subnetOf,
    macOf,
    tunnelTo: rememberByLease((peer) => tunnelTo(dev, subnetOf(peer), macOf(peer), peer.attrs.publicIp)),
  };
}

/** Compat: the name of the Go daemon's second device. */
export function ipv6Side(vni: number): VxlanSide {
  const dev = `flannel-v6.${vni}` as LinkName;
  const macOf = rememberByLease(({ attrs }: Lease) => readMac(attrs.backendV6Data));
  const subnetOf = ({ subnet }: Lease) => subnet.v6;
  return {
    family: "ipv6",
    dev,
    overhead: OVERHEAD6,
    member: "BackendV6Data",
    local: ({ v6 }) => v6?.address ?? null,
    subnetOf,
    macOf,
    tunnelTo: rememberByLease((peer) => tunnelTo(dev, subnetOf(peer), macOf(peer), peer.attrs.publicIpv6)),
  };
}

function tunnelTo(dev: LinkName, subnet: Prefix | null, mac: Mac | null, publicIp: Ip | null): Tunnel | null {
  if (subnet === null || mac === null || publicIp === null) return null;
  const gateway = baseOf(subnet);
  return {
    neighbour: { kind: "neighbour", dev, ip: gateway, mac },
    fdb: { kind: "fdb", dev, mac, dst: publicIp },
    route: {
      kind: "route",
      dev,
      dst: subnet,
      via: gateway,
      onlink: true,
      metric: usualMetric(subnet),
      protocol: FLANNEL_PROTOCOL,
    },
  };
}

/** The network address: what a host's device has, and what its peers name as the gateway. */
export function baseOf(subnet: Prefix): Ip {
  return subnet.slice(0, subnet.indexOf("/")) as Ip;
}

function readMac(data: Json | null): Mac | null {
  if (data === null || typeof data !== "object" || Array.isArray(data)) return null;
  // Compat: Go reads member names in any case.
  const found = Object.entries(data).find(([name]) => name.toLowerCase() === "vtepmac")?.[1];
  if (typeof found !== "string") return null;
  try {
    const mac = parseMac(found);
    return isUnicastMac(mac) ? mac : null;
  } catch {
    return null;
  }
}
