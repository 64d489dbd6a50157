// Leases, networks and an underlay of both families, for tests.

import type { NetworkView } from "../../src/backends/backend.ts";
import { NO_IPV4, parseIpv4, parsePrefix4 } from "../../src/base/ip.ts";
import { parseIpv6, parsePrefix6 } from "../../src/base/ipv6.ts";
import type { LinkName } from "../../src/net/objects.ts";
import type { Underlay } from "../../src/net/underlay.ts";
import { type Lease, NO_SUBNET4, type NodeId, type Revision } from "../../src/subnet/lease.ts";
import { formatSubnetKey } from "../../src/subnet/subnet-key.ts";
import { networkOf } from "./leases.ts";

const V4 = { Network: "10.5.0.0/16" };
const V6 = { EnableIPv6: true, IPv6Network: "fd00:5::/48" };

export const IPV4_NETWORK = networkOf({ ...V4, Backend: { Type: "vxlan" } });
export const DUAL_NETWORK = networkOf({ ...V4, ...V6, Backend: { Type: "vxlan" } });
export const IPV6_NETWORK = networkOf({ ...V6, EnableIPv4: false, Backend: { Type: "vxlan" } });

export interface DualSketch {
  readonly v4?: string;
  readonly v6?: string;
  readonly publicIp?: string;
  readonly publicIpv6?: string;
  readonly mac?: string;
  readonly mac6?: string;
  readonly backendType?: string;
  readonly nodeId?: string;
  readonly revision?: number;
}

/** Of the n-th host, unless the sketch says otherwise: 10.5.n.0/24 and fd00:5:0:n::/64. A family without address is none. */
export function hostNumber(n: number, sketch: DualSketch = {}): DualSketch {
  return {
    v4: `10.5.${n}.0/24`,
    v6: `fd00:5:0:${n}::/64`,
    publicIp: `192.168.64.${n}`,
    publicIpv6: `fd77::${n}`,
    mac: `02:00:00:00:04:${String(n).padStart(2, "0")}`,
    mac6: `02:00:00:00:06:${String(n).padStart(2, "0")}`,
    ...sketch,
  };
}

/** A vxlan lease unless the sketch says otherwise. */
export function dualLease(sketch: DualSketch): Lease {
  const { v4, v6, publicIp, publicIpv6, mac, mac6, backendType = "vxlan" } = sketch;
  const subnet = { v4: v4 ? parsePrefix4(v4) : NO_SUBNET4, v6: v6 ? parsePrefix6(v6) : null };
  const revision = String(sketch.revision ?? 1) as Revision;
  const isVxlan = backendType === "vxlan";
  return {
    key: formatSubnetKey(subnet),
    subnet,
    attrs: {
      publicIp: publicIp ? parseIpv4(publicIp) : NO_IPV4,
      publicIpv6: publicIpv6 ? parseIpv6(publicIpv6) : null,
      backendType,
      backendData: isVxlan && v4 && mac ? { VNI: 1, VtepMAC: mac } : null,
      backendV6Data: isVxlan && v6 && mac6 ? { VNI: 1, VtepMAC: mac6 } : null,
      nodeId: (sketch.nodeId ?? null) as NodeId | null,
      challenger: null,
    },
    term: { kind: "leased" },
    version: { modRevision: revision, createRevision: revision, leaseId: "1" },
  };
}

/** The same host without IPv6, and without IPv4. */
export function ipv4Only({ v6: _, publicIpv6: __, ...sketch }: DualSketch): DualSketch {
  return sketch;
}

export function ipv6Only({ v4: _, publicIp: __, ...sketch }: DualSketch): DualSketch {
  return sketch;
}

export const DUAL_UNDERLAY: Underlay = {
  link: "eth0" as LinkName,
  mtu: 1500,
  address: parseIpv4("192.168.64.52"),
  publicIp: parseIpv4("192.168.64.52"),
  onLink: [parsePrefix4("192.168.64.0/24")],
  v6: {
    address: parseIpv6("fd77::52"),
    publicIp: parseIpv6("fd77::52"),
    onLink: [parsePrefix6("fd77::/64")],
  },
};

export const IPV6_UNDERLAY: Underlay = { ...DUAL_UNDERLAY, address: NO_IPV4, publicIp: NO_IPV4, onLink: [] };

export const DUAL_SELF = dualLease(hostNumber(52));
export const DUAL_PEER = dualLease(hostNumber(4));

/** What DUAL_SELF knows when there is one peer. */
export function dualView(changes: Partial<NetworkView> = {}): NetworkView {
  return {
    network: DUAL_NETWORK,
    underlay: DUAL_UNDERLAY,
    mark: "flanneld /coreos.com/network",
    device: null,
    flannelDevices: [],
    formerUnderlays: [],
    self: DUAL_SELF,
    peers: [DUAL_PEER],
    complete: true,
    measuredOffload: null,
    ...changes,
  };
}
