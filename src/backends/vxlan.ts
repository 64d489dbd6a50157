// The vxlan backend: one kernel device on every host, and for each peer three entries that say where its subnet is: a route to a
// gateway that nobody has, a neighbour entry that gives the gateway the peer's VTEP MAC, and an FDB entry that gives
// that MAC the peer's underlay address. Pure: the kernel is touched by whoever applies the plan.

import { type IfAddr, prefix4Address } from "../base/ip.ts";
import { isUnicastMac, type Mac, parseMac, randomMac } from "../base/mac.ts";
import {
  type FdbEntry,
  FLANNEL_PROTOCOL,
  KERNEL_PROTOCOL,
  type LinkName,
  type NetObject,
  type Route,
  type VxlanLink,
} from "../net/objects.ts";
import type { Plan } from "../net/plan.ts";
import type { Json, Lease } from "../subnet/lease.ts";
import type { Backend, NetworkView } from "./backend.ts";
import { rememberByLease } from "./by-lease.ts";
import { createDirectRoute, type DirectRoute } from "./direct-route.ts";
import { claimEarlierRoutes, earlierRouteDevices } from "./earlier-routes.ts";
import { overlayMtu } from "./mtu.ts";
import { portConflict } from "./vxlan-conflict.ts";
import { OVERHEAD, readVxlanOptions, type VxlanOptions } from "./vxlan-options.ts";

const VXLAN_TYPE = "vxlan";

export function createVxlan(rawOptions: { readonly [key: string]: Json }): Backend {
  const options = readVxlanOptions(rawOptions);
  const dev = `flannel.${options.vni}` as LinkName;
  const means: Means = {
    tunnelTo: rememberByLease((peer) => tunnelTo(peer, dev)),
    directRoute: options.directRouting ? createDirectRoute() : () => null,
  };
  return {
    type: VXLAN_TYPE,
    liveOptions: ["MTU", "DirectRouting"],
    mtu: (underlay) => overlayMtu(options.mtu, underlay, OVERHEAD),
    device: () => dev,
    userspace: null,
    unsuitable: ({ links }) => portConflict(options, dev, links),
    advertise: ({ underlay, links, own, random }) => {
      const existing = links.find((link) => link.name === dev && link.type === "vxlan")?.mac ?? null;
      // The MAC in our record is the one that every peer has programmed: keeping it means that nobody has to change.
      const mac = (own && vtepMac(own)) ?? existing ?? randomMac(random);
      return {
        publicIp: underlay.publicIp,
        publicIpv6: null,
        backendType: VXLAN_TYPE,
        backendData: { VNI: options.vni, VtepMAC: mac },
        backendV6Data: null,
      };
    },
    recordFault,
    peerFault: (peer, { self }) => {
      const mac = vtepMac(peer);
      return mac !== null && mac === vtepMac(self) ? `its VtepMAC ${mac} is our own` : recordFault(peer);
    },
    plan: (view) => planVxlan(view, options, dev, means),
  };
}

/** What leads to a peer; null when it cannot be had. */
interface Means {
  readonly tunnelTo: (peer: Lease) => Tunnel | null;
  readonly directRoute: DirectRoute;
}

function planVxlan(view: NetworkView, options: VxlanOptions, dev: LinkName, means: Means): Plan {
  const { underlay, self } = view;
  const want: NetObject[] = [deviceFor(view, options, dev), ownAddress(self, dev)];
  const announced = new Map<Mac, Lease>();
  for (const peer of view.peers) {
    const direct = means.directRoute(peer, underlay);
    const tunnel = direct ? null : means.tunnelTo(peer);
    if (direct) want.push(direct);
    if (!tunnel) continue;
    want.push(tunnel.neighbour, tunnel.route);
    const rival = announced.get(tunnel.fdb.mac);
    if (!rival || isNewer(peer, rival)) announced.set(tunnel.fdb.mac, peer);
  }
  for (const peer of announced.values()) {
    const tunnel = means.tunnelTo(peer);
    if (tunnel) want.push(tunnel.fdb);
  }
  return {
    scope: {
      devices: [dev],
      routeDevices: earlierRouteDevices(view),
      kinds: ["link", "address", "route", "neighbour", "fdb"],
    },
    want,
    claims: claimsFor(view, dev),
    complete: view.complete,
  };
}

function deviceFor({ underlay, self }: NetworkView, options: VxlanOptions, dev: LinkName): VxlanLink {
  return {
    kind: "link",
    type: "vxlan",
    name: dev,
    mtu: overlayMtu(options.mtu, underlay, OVERHEAD),
    up: true,
    mac: vtepMac(self),
    vni: options.vni,
    port: options.port,
    // Not the public IP: behind NAT the host does not own that, and the kernel would not send from it.
    local: underlay.address,
    lower: underlay.link,
    learning: options.learning,
    gbp: options.gbp,
    external: false,
  };
}

function ownAddress(self: Lease, dev: LinkName): NetObject {
  return { kind: "address", dev, address: `${prefix4Address(self.subnet.v4)}/32` as IfAddr };
}

interface Tunnel {
  readonly neighbour: NetObject;
  readonly route: Route;
  readonly fdb: FdbEntry;
}

function tunnelTo(peer: Lease, dev: LinkName): Tunnel | null {
  const mac = vtepMac(peer);
  if (mac === null) return null;
  const gateway = prefix4Address(peer.subnet.v4);
  return {
    neighbour: { kind: "neighbour", dev, ip: gateway, mac },
    fdb: { kind: "fdb", dev, mac, dst: peer.attrs.publicIp },
    route: {
      kind: "route",
      dev,
      dst: peer.subnet.v4,
      via: gateway,
      onlink: true,
      metric: 0,
      protocol: FLANNEL_PROTOCOL,
    },
  };
}

/** A MAC has one FDB entry. When two records announce it (a host came back under another address), the newer is right. */
function isNewer(peer: Lease, rival: Lease): boolean {
  return BigInt(peer.version.modRevision) > BigInt(rival.version.modRevision);
}

/** Everything on our device that the kernel did not put there, and what an earlier config has left elsewhere. */
function claimsFor(view: NetworkView, dev: LinkName): Plan["claims"] {
  const isEarlier = claimEarlierRoutes(view);
  return (object) => {
    switch (object.kind) {
      case "link":
        return object.name === dev;
      case "route":
        return object.dev === dev ? object.protocol !== KERNEL_PROTOCOL : isEarlier(object);
      case "address":
      case "neighbour":
      case "fdb":
        return object.dev === dev;
      case "blackhole":
        return false;
    }
  };
}

function recordFault(lease: Lease): string | null {
  return vtepMac(lease) === null ? "its BackendData has no usable VtepMAC" : null;
}

/** The VTEP MAC that a record announces; null when there is none that a host could have. */
const vtepMac = rememberByLease((lease: Lease): Mac | null => {
  const data = lease.attrs.backendData;
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
});
