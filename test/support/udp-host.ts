// A host of a udp network: its leases, and what its backend is given to look at.

import type { NetworkView } from "../../src/backends/backend.ts";
import type { LinkName, TunLink } from "../../src/net/objects.ts";
import type { Underlay } from "../../src/net/underlay.ts";
import type { Lease } from "../../src/subnet/lease.ts";
import { leaseOf, networkOf } from "./leases.ts";
import { MARK, underlayAt } from "./vxlan-host.ts";

export const FLANNEL0 = "flannel0" as LinkName;
export const UDP_UNDERLAY: Underlay = underlayAt("192.168.64.2");
export const UDP_SELF = udpLease("10.5.52.0/24", "192.168.64.2");
export const UDP_PEER = udpLease("10.5.20.0/24", "192.168.64.4");

export function udpLease(subnet: string, publicIp: string): Lease {
  return leaseOf({ subnet, publicIp, backendType: "", backendData: null });
}

export function udpView(changes: Partial<NetworkView> = {}): NetworkView {
  return {
    network: networkOf({ Network: "10.5.0.0/16", Backend: { Type: "udp" } }),
    underlay: UDP_UNDERLAY,
    mark: MARK,
    device: FLANNEL0,
    flannelDevices: [],
    formerUnderlays: [],
    self: UDP_SELF,
    peers: [UDP_PEER],
    complete: true,
    measuredOffload: null,
    ...changes,
  };
}

/** The device as the backend wants it. */
export function tunDevice(changes: Partial<TunLink> = {}): TunLink {
  return {
    kind: "link",
    type: "tun",
    name: FLANNEL0,
    mtu: 1472,
    up: true,
    mac: null,
    persistent: true,
    multiQueue: false,
    alias: MARK,
    acceptLocal: true,
    ...changes,
  };
}
