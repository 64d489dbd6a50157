// A host of a vxlan network on the fake kernel: its underlay, its own lease, and the plans that the backend makes for it.

import type { NetworkView } from "../../src/backends/backend.ts";
import { createVxlan } from "../../src/backends/vxlan.ts";
import { type IfAddr, type Ip, type Prefix4, parseIpv4, parsePrefix4 } from "../../src/base/ip.ts";
import { BOOT_PROTOCOL, type LinkName, type NetObject, type Route } from "../../src/net/objects.ts";
import type { Plan } from "../../src/net/plan.ts";
import type { Underlay } from "../../src/net/underlay.ts";
import type { Lease } from "../../src/subnet/lease.ts";
import { leaseOf, networkOf } from "./leases.ts";

export const ETH0 = "eth0" as LinkName;
export const FLANNEL1 = "flannel.1" as LinkName;

/** What the devices of this network are marked with, where a device can be. */
export const MARK = "flanneld /coreos.com/network";

export const NETWORK = networkOf({ Network: "10.5.0.0/16", Backend: { Type: "vxlan" } });
export const SELF = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.2", mac: "02:00:00:00:00:52" });
export const PEER_A = leaseOf({ subnet: "10.5.20.0/24", publicIp: "192.168.64.4", mac: "02:00:00:00:00:20" });
export const PEER_B = leaseOf({ subnet: "10.5.30.0/24", publicIp: "192.168.64.5", mac: "02:00:00:00:00:30" });

export function underlayAt(ip: string): Underlay {
  const address = parseIpv4(ip);
  return { link: ETH0, mtu: 1500, address, publicIp: address, onLink: [parsePrefix4(`${ip}/24`)], v6: null };
}

/** What a host has before flannel comes: an underlay with an address and a default route. */
export function bareHost(ip: string): readonly NetObject[] {
  return [
    { kind: "link", type: "other", name: ETH0, mtu: 1500, up: true, mac: null, driver: "veth" },
    { kind: "address", dev: ETH0, address: `${ip}/24` as IfAddr },
    routeVia("192.168.64.1", "0.0.0.0/0"),
  ];
}

/** A route as somebody adds it by hand, through the underlay. */
export function routeVia(via: string, dst: string): Route {
  return {
    kind: "route",
    dev: ETH0,
    dst: dst as Prefix4,
    via: via as Ip,
    onlink: false,
    metric: 0,
    protocol: BOOT_PROTOCOL,
  };
}

/** One object, as an underlay is that has not changed. */
export const UNDERLAY = underlayAt(SELF.attrs.publicIp);

/** What SELF knows when there is one peer. */
export function vxlanView(changes: Partial<NetworkView> = {}): NetworkView {
  return {
    network: NETWORK,
    underlay: UNDERLAY,
    mark: MARK,
    device: FLANNEL1,
    flannelDevices: [],
    formerUnderlays: [],
    self: SELF,
    peers: [PEER_A],
    complete: true,
    measuredOffload: null,
    ...changes,
  };
}

const backend = createVxlan({});

/** What SELF wants its kernel to look like, given these peers. */
export function planFor(peers: readonly Lease[], { complete = true }: { readonly complete?: boolean } = {}): Plan {
  return backend.plan(vxlanView({ peers, complete }));
}
