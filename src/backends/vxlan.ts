// The vxlan backend: one kernel device on every host for each family, and for each peer three entries that say where its
// subnet is: a route to a gateway that nobody has, a neighbour entry that gives the gateway the peer's VTEP MAC, and an FDB
// entry that gives that MAC the peer's underlay address. Pure: the kernel is touched by whoever applies the plan.

import type { IfAddr, Ipv4 } from "../base/ip.ts";
import { type Mac, randomMac } from "../base/mac.ts";
import type { Random } from "../base/random.ts";
import type { ChecksumDuty, ChecksumPath } from "../net/checksum-path.ts";
import {
  KERNEL_PROTOCOL,
  type Link,
  type LinkName,
  type NetObject,
  objectFamily,
  type VxlanLink,
} from "../net/objects.ts";
import type { Plan } from "../net/plan.ts";
import type { Underlay } from "../net/underlay.ts";
import { addressesOf } from "../net/underlay.ts";
import type { Json, Lease } from "../subnet/lease.ts";
import { familiesOf } from "../subnet/network-families.ts";
import type { Backend, HostView, NetworkView } from "./backend.ts";
import { createDirectRoute, type DirectRoute } from "./direct-route.ts";
import { claimEarlierRoutes, earlierRouteDevices } from "./earlier-routes.ts";
import { isKernelAddress } from "./kernel-address.ts";
import { overlayMtu, tooNarrowForIpv6 } from "./mtu.ts";
import { portConflict } from "./vxlan-conflict.ts";
import { readVxlanOptions, type VxlanOptions } from "./vxlan-options.ts";
import { baseOf, ipv4Side, ipv6Side, type VxlanSide } from "./vxlan-side.ts";

const VXLAN_TYPE = "vxlan";

export function createVxlan(rawOptions: { readonly [key: string]: Json }): Backend {
  const options = readVxlanOptions(rawOptions);
  const all = [ipv4Side(options.vni), ipv6Side(options.vni)] as const;
  const [v4, v6] = all;
  const sidesOf = (underlay: Underlay) => all.filter(({ local }) => local(underlay) !== null);
  const mtuOf = (underlay: Underlay, { overhead }: VxlanSide) => overlayMtu(options.mtu, underlay, overhead);
  const means: Means = {
    mtuOf,
    directRoutes: options.directRouting
      ? { ipv4: createDirectRoute("ipv4"), ipv6: createDirectRoute("ipv6") }
      : { ipv4: () => null, ipv6: () => null },
  };
  return {
    type: VXLAN_TYPE,
    liveOptions: ["MTU", "DirectRouting", "Offload"],
    // A packet of either family must fit: pods have one MTU.
    mtu: (underlay) => Math.min(...sidesOf(underlay).map((side) => mtuOf(underlay, side))),
    device: ({ underlay }) => sidesOf(underlay)[0]?.dev ?? v4.dev,
    devices: (underlay) =>
      sidesOf(underlay).map((side) => ({
        name: side.dev,
        families: [side.family],
        mtu: mtuOf(underlay, side),
        isIt: (link) => isOwn(link, side, options),
      })),
    userspace: null,
    unsuitable: ({ underlay, links }) =>
      sidesOf(underlay)
        .map((side) => portConflict(options, side, links) ?? tooNarrow(side, mtuOf(underlay, side)))
        .find((reason) => reason !== null) ?? null,
    advertise: (host) => ({
      ...addressesOf(host.underlay),
      backendType: VXLAN_TYPE,
      backendData: announce(v4, options, host),
      backendV6Data: announce(v6, options, host),
    }),
    recordFault: (lease) => all.map((side) => missingMac(side, lease)).find((reason) => reason !== null) ?? null,
    peerFault: (peer, { self }) =>
      all.map((side) => sideFault(side, peer, self)).find((reason) => reason !== null) ?? null,
    checksumDuty: (view) => checksumDuty(view, options, v4, means),
    plan: (view) => planVxlan(view, options, sidesOf(view.underlay), means),
  };
}

interface Means {
  readonly mtuOf: (underlay: Underlay, side: VxlanSide) => number;
  readonly directRoutes: { readonly ipv4: DirectRoute; readonly ipv6: DirectRoute };
}

function isOwn(link: Link, { dev }: VxlanSide, { vni }: VxlanOptions): boolean {
  return link.type === "vxlan" && link.name === dev && link.vni === vni && !link.external;
}

function tooNarrow({ family, overhead }: VxlanSide, mtu: number): string | null {
  return family === "ipv4" ? null : tooNarrowForIpv6(mtu, overhead);
}

/** The MAC in our record is the one that every peer has programmed: keeping it means that nobody has to change. */
function announce(
  { dev, local, macOf }: VxlanSide,
  { vni }: VxlanOptions,
  { underlay, links, own, random }: HostView & { readonly own: Lease | null; readonly random: Random },
): Json | null {
  if (local(underlay) === null) return null;
  const existing = links.find((link) => link.name === dev && link.type === "vxlan")?.mac ?? null;
  return { VNI: vni, VtepMAC: (own && macOf(own)) ?? existing ?? randomMac(random) };
}

function missingMac({ member, subnetOf, macOf }: VxlanSide, lease: Lease): string | null {
  return subnetOf(lease) !== null && macOf(lease) === null ? `its ${member} has no usable VtepMAC` : null;
}

function sideFault(side: VxlanSide, peer: Lease, self: Lease | null): string | null {
  if (side.subnetOf(peer) === null) return null;
  const mac = side.macOf(peer);
  return self !== null && mac !== null && mac === side.macOf(self)
    ? `its VtepMAC ${mac} is our own`
    : missingMac(side, peer);
}

function planVxlan(view: NetworkView, options: VxlanOptions, sides: readonly VxlanSide[], means: Means): Plan {
  return {
    scope: {
      families: familiesOf(view.network),
      devices: sides.map(({ dev }) => dev),
      routeDevices: earlierRouteDevices(view),
      kinds: ["link", "address", "route", "neighbour", "fdb"],
    },
    want: sides.flatMap((side) => wantOf(side, view, options, means)),
    claims: claimsFor(view, sides),
    complete: view.complete,
  };
}

function wantOf(side: VxlanSide, view: NetworkView, options: VxlanOptions, means: Means): readonly NetObject[] {
  const { underlay, self } = view;
  const directRoute = means.directRoutes[side.family];
  const own = side.subnetOf(self);
  const want: NetObject[] = [deviceFor(view, options, side, means.mtuOf(underlay, side))];
  if (own !== null) want.push({ kind: "address", dev: side.dev, address: hostAddressOf(side, baseOf(own)) });
  const announced = new Map<Mac, Lease>();
  for (const peer of view.peers) {
    const direct = directRoute(peer, underlay);
    const tunnel = direct ? null : side.tunnelTo(peer);
    if (direct) want.push(direct);
    if (!tunnel) continue;
    want.push(tunnel.neighbour, tunnel.route);
    const rival = announced.get(tunnel.fdb.mac);
    if (!rival || isNewer(peer, rival)) announced.set(tunnel.fdb.mac, peer);
  }
  for (const peer of announced.values()) {
    const tunnel = side.tunnelTo(peer);
    if (tunnel) want.push(tunnel.fdb);
  }
  return want;
}

function deviceFor(view: NetworkView, options: VxlanOptions, side: VxlanSide, mtu: number): VxlanLink {
  const { underlay, self } = view;
  return {
    kind: "link",
    type: "vxlan",
    name: side.dev,
    mtu,
    up: true,
    mac: side.macOf(self),
    vni: options.vni,
    port: options.port,
    local: side.local(underlay),
    lower: underlay.link,
    learning: options.learning,
    gbp: options.gbp,
    external: false,
    checksumOffload: checksumOffload(view, options),
  };
}

function hostAddressOf({ family }: VxlanSide, address: string): IfAddr {
  return `${address}/${family === "ipv4" ? 32 : 128}` as IfAddr;
}

/** Compat: the Go daemon leaves it as it is, and so do we unless we are told otherwise or have seen what it does. */
function checksumOffload({ measuredOffload }: NetworkView, { offload }: VxlanOptions): boolean | null {
  switch (offload) {
    case "on":
      return true;
    case "off":
      return false;
    case "auto":
      return measuredOffload;
  }
}

function checksumDuty(view: NetworkView, options: VxlanOptions, side: VxlanSide, means: Means): ChecksumDuty | null {
  switch (options.offload) {
    case "on":
      return null;
    case "off":
      return "off";
    case "auto":
      return checksumPath(view, options, side, means);
  }
}

/**
 * Every host has an address on its device, which whoever has the way to its subnet reaches, a Go daemon's host too. Null in
 * a network without IPv4.
 */
function checksumPath(
  view: NetworkView,
  { port }: VxlanOptions,
  { family, dev, local, subnetOf, macOf, tunnelTo }: VxlanSide,
  { directRoutes }: Means,
): ChecksumPath | null {
  const { self, underlay } = view;
  const [mac, own] = [macOf(self), subnetOf(self)];
  if (mac === null || own === null || local(underlay) === null) return null;
  const peers = view.peers.flatMap((peer) => {
    const tunnel = directRoutes[family](peer, underlay) ? null : tunnelTo(peer);
    return tunnel ? [tunnel.neighbour] : [];
  });
  return { device: dev, mac, address: baseOf(own) as Ipv4, port, underlay, peers };
}

/** A MAC has one FDB entry. When two records announce it (a host came back under another address), the newer is right. */
function isNewer(peer: Lease, rival: Lease): boolean {
  return BigInt(peer.version.modRevision) > BigInt(rival.version.modRevision);
}

/**
 * Everything on our devices that the kernel did not put there, of the device's own family, and what an earlier config has
 * left elsewhere.
 */
function claimsFor(view: NetworkView, sides: readonly VxlanSide[]): Plan["claims"] {
  const isEarlier = claimEarlierRoutes(view);
  const families = new Map<LinkName, VxlanSide["family"]>(sides.map(({ dev, family }) => [dev, family]));
  return (object) => {
    switch (object.kind) {
      case "link":
        return families.has(object.name);
      case "route":
        return families.has(object.dev)
          ? families.get(object.dev) === objectFamily(object) && object.protocol !== KERNEL_PROTOCOL
          : isEarlier(object);
      case "address":
        return families.get(object.dev) === objectFamily(object) && !isKernelAddress(object.address);
      case "neighbour":
        return families.get(object.dev) === objectFamily(object);
      case "fdb":
        return families.has(object.dev);
      case "blackhole":
        return false;
    }
  };
}
