// Kernel network state as data. Objects name devices; interface indices exist only inside src/netlink.
// A plan states what the kernel will read back, never a default that the kernel fills in.

import type { Brand } from "../base/brand.ts";
import { type Family, familyOf, type IfAddr, type Ip, type Prefix } from "../base/ip.ts";
import type { Mac } from "../base/mac.ts";

/** 1 to 15 bytes, no slash, no white space. */
export type LinkName = Brand<string, "LinkName">;

/** rtm_protocol: who installed a route (rtnetlink(7)). */
export type RouteProtocol = Brand<number, "RouteProtocol">;

/** Kernel: what an IPv6 route gets, and reads back, that is made with a metric of 0. */
export const IPV6_METRIC = 1024;

/** The metric of a route for which nobody has asked another. */
export function usualMetric(dst: Prefix): number {
  return familyOf(dst) === "ipv6" ? IPV6_METRIC : 0;
}

/**
 * Our own route protocol number, ASCII "F". Unassigned in iproute2's rt_protos, so that nobody else's routes carry it
 * and ours can be told from the Go daemon's, which uses *boot* like every route added by hand.
 */
export const FLANNEL_PROTOCOL = 70 as RouteProtocol;
/** RTPROT_BOOT: added by hand, or by the Go daemon. */
export const BOOT_PROTOCOL = 3 as RouteProtocol;
/** RTPROT_RA: of a router's advertisement, by whoever reads those in the kernel's place. */
export const RA_PROTOCOL = 9 as RouteProtocol;
/** RTPROT_KERNEL: connected routes that the kernel adds with an address. */
export const KERNEL_PROTOCOL = 2 as RouteProtocol;

interface LinkFields {
  readonly kind: "link";
  readonly name: LinkName;
  readonly mtu: number;
  readonly up: boolean;
  readonly mac: Mac | null;
}

export interface VxlanLink extends LinkFields {
  readonly type: "vxlan";
  readonly vni: number;
  readonly port: number;
  readonly local: Ip | null;
  readonly lower: LinkName | null;
  readonly learning: boolean;
  readonly gbp: boolean;
  /** IFLA_VXLAN_COLLECT_METADATA ("external"): one device for all VNIs, as Cilium makes. Never set on ours. */
  readonly external: boolean;
  /** Somebody has put it into a bridge or the like, or holds it down (protodown). Missing when nobody has. */
  readonly seized?: true;
  /**
   * ethtool's tx-checksumming: the checksums of inner packets are left to the network card. In a plan null means: as it
   * is.
   */
  readonly checksumOffload: boolean | null;
}

/** A TUN device. A persistent one stays when the process ends that carries its packets. */
export interface TunLink extends LinkFields {
  readonly type: "tun";
  readonly persistent: boolean;
  readonly multiQueue: boolean;
  /** IFLA_IFALIAS, by which its maker knows it again; null when it has none. */
  readonly alias: string | null;
  /**
   * Kernel: unless this is on, what its process gives to the host is dropped when it comes from an address of the host
   * itself, as a router's own ICMP errors do.
   */
  readonly acceptLocal: boolean;
}

/** How the alias of a device begins that a daemon of ours has made; its network follows. */
export const MARK = "flanneld ";

/** Kernel: IFALIASZ, less the zero at its end. */
const LONGEST_MARK = 255;

/** Of a very long prefix its end, which tells it from others. */
export function markOf(prefix: string): string {
  return MARK + prefix.slice(-(LONGEST_MARK - MARK.length));
}

/** Made by the daemon of another network. An alias that says something else is an administrator's remark. */
export function belongsToAnother({ alias }: TunLink, mark: string | null): boolean {
  return alias !== null && alias !== mark && alias.startsWith(MARK);
}

export interface OtherLink extends LinkFields {
  readonly type: "other";
  /** IFLA_INFO_KIND, or null for hardware. */
  readonly driver: string | null;
}

export type Link = VxlanLink | TunLink | OtherLink;

export interface Address {
  readonly kind: "address";
  readonly dev: LinkName;
  readonly address: IfAddr;
}

export interface Route {
  readonly kind: "route";
  readonly dev: LinkName;
  readonly dst: Prefix;
  readonly via: Ip | null;
  readonly onlink: boolean;
  readonly metric: number;
  readonly protocol: RouteProtocol;
  /** It says more than is told here, such as an MTU or a source address: none of ours does. Missing when it does not. */
  readonly saysMore?: true;
}

/** A permanent neighbour entry. Learned ones are the kernel's business and are not read. */
export interface Neighbour {
  readonly kind: "neighbour";
  readonly dev: LinkName;
  readonly ip: Ip;
  readonly mac: Mac;
}

/** A permanent entry of a vxlan device's own forwarding database ("self permanent" in bridge(8)). */
export interface FdbEntry {
  readonly kind: "fdb";
  readonly dev: LinkName;
  readonly mac: Mac;
  readonly dst: Ip;
  /**
   * It sends to another port, with another VNI or through another interface than the device, or to a next hop that is an
   * object of its own, when `dst` tells nothing. Missing when it does not.
   */
  readonly astray?: true;
}

/** A route of type *blackhole*: the kernel drops what it would send there. It leads through no device. */
export interface Blackhole {
  readonly kind: "blackhole";
  readonly dst: Prefix;
  readonly metric: number;
  readonly protocol: RouteProtocol;
}

export type NetObject = Link | Address | Route | Neighbour | FdbEntry | Blackhole;
export type NetKind = NetObject["kind"];
export type NetKey = Brand<string, "NetKey">;

/** Identity as the kernel sees it: two objects with one key replace each other, or stand in each other's way. */
export function keyOf(object: NetObject): NetKey {
  switch (object.kind) {
    case "link":
      return `link ${object.name}` as NetKey;
    case "address":
      return `address ${object.dev} ${object.address}` as NetKey;
    // Kernel: the IPv4 FIB's identity is destination, TOS and metric, whatever the device. In the IPv6 FIB routes of one
    // destination and metric are next hops of one another: the same key, and more than one is more than is wanted.
    case "route":
      return `route ${object.dst} ${object.metric}` as NetKey;
    case "blackhole":
      return `blackhole ${object.dst} ${object.metric}` as NetKey;
    case "neighbour":
      return `neighbour ${object.dev} ${object.ip}` as NetKey;
    // Kernel: a unicast MAC has exactly one dst; appending a second is acknowledged and ignored.
    case "fdb":
      return `fdb ${object.dev} ${object.mac}` as NetKey;
  }
}

/** Null for what is of no family: links, and forwarding entries, whose Ethernet frames may carry either. */
export function objectFamily(object: NetObject): Family | null {
  switch (object.kind) {
    case "link":
    case "fdb":
      return null;
    case "address":
      return familyOf(object.address);
    case "route":
    case "blackhole":
      return familyOf(object.dst);
    case "neighbour":
      return familyOf(object.ip);
  }
}

/**
 * Whether `a` is what `b` wants. All fields are primitives, so equality is field by field; what `b` leaves open is as it
 * should be whatever it is, and what `a` leaves open is not known.
 */
export function sameObject(a: NetObject, b: NetObject): boolean {
  if (a === b) return true;
  switch (a.kind) {
    case "link":
      return b.kind === "link" && sameLink(a, b);
    case "address":
      return b.kind === "address" && a.dev === b.dev && a.address === b.address;
    case "route":
      return b.kind === "route" && sameRoute(a, b);
    case "neighbour":
      return b.kind === "neighbour" && a.dev === b.dev && a.ip === b.ip && a.mac === b.mac;
    case "fdb":
      return b.kind === "fdb" && a.dev === b.dev && a.mac === b.mac && a.dst === b.dst && a.astray === b.astray;
    case "blackhole":
      return b.kind === "blackhole" && a.dst === b.dst && a.metric === b.metric && a.protocol === b.protocol;
  }
}

function sameRoute(a: Route, b: Route): boolean {
  return (
    a.dst === b.dst &&
    a.dev === b.dev &&
    a.via === b.via &&
    a.onlink === b.onlink &&
    a.metric === b.metric &&
    a.protocol === b.protocol &&
    a.saysMore === b.saysMore
  );
}

function sameLink(a: Link, b: Link): boolean {
  if (a.name !== b.name || a.mtu !== b.mtu || a.up !== b.up || a.mac !== b.mac) return false;
  if (a.type === "tun" && b.type === "tun" && !agree(TUN_CHANGEABLE, a, b)) return false;
  if (a.type === "vxlan" && b.type === "vxlan" && !(isSameOffload(a, b) && a.seized === b.seized)) return false;
  return linkChange(a, b) === "set" && a.type === b.type;
}

function isSameOffload({ checksumOffload: present }: VxlanLink, { checksumOffload: wanted }: VxlanLink): boolean {
  return wanted === null || wanted === present;
}

/**
 * How to turn one link into the other: `set` when only mtu, up, mac, alias, acceptLocal, checksumOffload or who has
 * seized it differ, `recreate` otherwise.
 * Kernel: a vxlan device's VNI, port, local address and flags are fixed at creation; its MAC can be set while it is up.
 * A TUN device that is not persistent belongs to whoever has opened it.
 */
export function linkChange(previous: Link, next: Link): "set" | "recreate" {
  switch (next.type) {
    case "vxlan":
      return previous.type === "vxlan" && agree(VXLAN_FIXED, previous, next) ? "set" : "recreate";
    case "tun":
      return previous.type === "tun" && agree(TUN_FIXED, previous, next) ? "set" : "recreate";
    case "other":
      return previous.type === "other" && previous.driver === next.driver ? "set" : "recreate";
  }
}

const VXLAN_FIXED = ["vni", "port", "local", "lower", "learning", "gbp", "external"] as const;
const TUN_FIXED = ["persistent", "multiQueue"] as const;
const TUN_CHANGEABLE = ["alias", "acceptLocal"] as const;

function agree<T>(fields: readonly (keyof T)[], previous: T, next: T): boolean {
  return fields.every((field) => previous[field] === next[field]);
}

/** One word and the identifying fields, for log lines: "route 10.5.20.0/24 dev flannel.1". */
export function describeObject(object: NetObject): string {
  switch (object.kind) {
    case "link":
      return `link ${object.name}`;
    case "address":
      return `address ${object.address} dev ${object.dev}`;
    case "route":
      return `route ${object.dst}${object.via ? ` via ${object.via}` : ""} dev ${object.dev}`;
    case "neighbour":
      return `neighbour ${object.ip} lladdr ${object.mac} dev ${object.dev}`;
    case "fdb":
      return `fdb ${object.mac} dst ${object.dst} dev ${object.dev}`;
    case "blackhole":
      return `blackhole ${object.dst} metric ${object.metric}`;
  }
}
