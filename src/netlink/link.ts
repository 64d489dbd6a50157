// Links <-> RTM_*LINK messages. Vxlan and TUN devices in full, of every other kind what we need to know of it.

import * as ifla from "netlink/dist/rt/ifla.js";
import * as structs from "netlink/dist/rt/structs.js";
import { putU32 } from "netlink/dist/structs.js";
import type { Ip } from "../base/ip.ts";
import { macOctets } from "../base/mac.ts";
import type { Link, LinkName, TunLink, VxlanLink } from "../net/objects.ts";
import {
  type Attributes,
  attributesOf,
  checkFixedPart,
  encodeBody,
  hasAttribute,
  type Message,
  malformed,
  nestedAttributes,
  payloadOf,
  type Request,
  textAttribute,
  u8Attribute,
  u16beAttribute,
  u32,
  u32Attribute,
} from "./codec.ts";
import {
  AF_INET,
  IFF_LOOPBACK,
  IFF_TUN,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_AF_SPEC,
  IFLA_EXT_MASK,
  IFLA_IFALIAS,
  IFLA_IFNAME,
  IFLA_INET_CONF,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINKINFO,
  IFLA_MASTER,
  IFLA_MTU,
  IFLA_PROTO_DOWN,
  IFLA_TUN_MULTI_QUEUE,
  IFLA_TUN_PERSIST,
  IFLA_TUN_TYPE,
  IFLA_VXLAN_COLLECT_METADATA,
  IFLA_VXLAN_GBP,
  IFLA_VXLAN_ID,
  IFLA_VXLAN_LEARNING,
  IFLA_VXLAN_LINK,
  IFLA_VXLAN_LOCAL,
  IFLA_VXLAN_LOCAL6,
  IFLA_VXLAN_PORT,
  IPV4_DEVCONF_ACCEPT_LOCAL,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTEXT_FILTER_SKIP_STATS,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
} from "./constants.ts";
import { encodeIp, familyOf, ipAttribute, macAttribute } from "./octets.ts";

/** struct ifinfomsg */
const IFINFOMSG = 16;

/** What only this adapter needs to know of a link, beside the link itself. */
export interface LinkRecord {
  readonly index: number;
  readonly name: LinkName;
  readonly loopback: boolean;
  readonly captivity: Captivity;
  readonly link: Link;
}

/** By what a link of ours can be seized. */
export interface Captivity {
  /** It is a port of a bridge or the like. */
  readonly enslaved: boolean;
  /** protodown: it is up and carries nothing. */
  readonly heldDown: boolean;
}

export function requestLinks(): Request {
  return { type: RTM_GETLINK, flags: 0, body: linkBody({}, {}, true) };
}

export function requestLink(by: { readonly name: LinkName } | { readonly index: number }): Request {
  const body = "name" in by ? linkBody({}, { ifname: by.name }, true) : linkBody({ index: by.index }, {}, true);
  return { type: RTM_GETLINK, flags: 0, body };
}

/** Makes the device, still down. `lowerIndex` is the index of a vxlan device's `lower`. */
export function createLink(link: Link, lowerIndex: number | null): Request {
  const linkinfo = encodeBody((out) => out.emit(ifla.formatInfo(linkInfo(link, lowerIndex))));
  // Compat: the Go daemon's device has no queue. Kernel: without the attribute it says 1000, which is of no use before
  // somebody puts a queueing discipline there.
  const queue = link.type === "vxlan" ? { txqlen: 0 } : {};
  const body = linkBody({}, { ifname: link.name, mtu: link.mtu, ...queue, ...macOf(link), linkinfo });
  return { type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, body };
}

/**
 * What differs is named and nothing else. Kernel: a MAC can be set while the device is up, and setting it, even to what it
 * is, takes away all neighbours of the device (facts.test.ts).
 */
export function setLink(index: number, previous: Link, next: Link): Request {
  const data = { index, flags: next.up ? { up: true as const } : {}, change: { up: true as const } };
  const mtu = previous.mtu === next.mtu ? {} : { mtu: next.mtu };
  const mac = previous.mac === next.mac ? {} : macOf(next);
  return { type: RTM_NEWLINK, flags: 0, body: linkBody(data, { ...mtu, ...mac, ...tunAttributes(next) }) };
}

function tunAttributes(link: Link): structs.LinkMessage["attrs"] {
  if (link.type !== "tun") return {};
  const alias = link.alias === null ? {} : { ifalias: link.alias };
  const conf = encodeBody((out) => out.push(IPV4_DEVCONF_ACCEPT_LOCAL, putU32(link.acceptLocal ? 1 : 0)));
  return { ...alias, afSpec: new Map([[AF_INET, encodeBody((out) => out.push(IFLA_INET_CONF, conf))]]) };
}

function readsAcceptLocal(attributes: Attributes): boolean {
  const families = nestedAttributes(attributes, IFLA_AF_SPEC);
  const ipv4 = families && nestedAttributes(families, AF_INET);
  const conf = ipv4 && payloadOf(ipv4, IFLA_INET_CONF, 4 * IPV4_DEVCONF_ACCEPT_LOCAL);
  return conf !== null && u32(conf, 4 * (IPV4_DEVCONF_ACCEPT_LOCAL - 1)) !== 0;
}

/** Kernel: protodown is refused where a device has no such thing, so what does not hold is not named. */
export function freeLink(index: number, { enslaved, heldDown }: Captivity): Request {
  const attrs = { ...(enslaved ? { master: 0 } : {}), ...(heldDown ? { protoDown: Buffer.of(0) } : {}) };
  return { type: RTM_NEWLINK, flags: 0, body: linkBody({ index }, attrs) };
}

function captivityOf(attributes: Attributes): Captivity {
  return {
    enslaved: (u32Attribute(attributes, IFLA_MASTER) ?? 0) !== 0,
    heldDown: u8Attribute(attributes, IFLA_PROTO_DOWN) === 1,
  };
}

export function renameLink(index: number, name: LinkName): Request {
  return { type: RTM_NEWLINK, flags: 0, body: linkBody({ index }, { ifname: name }) };
}

export function setLinkDown(index: number): Request {
  return { type: RTM_NEWLINK, flags: 0, body: linkBody({ index, flags: {}, change: { up: true } }, {}) };
}

export function setLinkUp(index: number): Request {
  return { type: RTM_NEWLINK, flags: 0, body: linkBody({ index, flags: { up: true }, change: { up: true } }, {}) };
}

export function deleteLink(index: number): Request {
  return { type: RTM_DELLINK, flags: 0, body: linkBody({ index }, {}) };
}

function linkBody(
  data: structs.LinkMessage["data"],
  attrs: structs.LinkMessage["attrs"],
  withoutStatistics = false,
): Buffer {
  return encodeBody((out) => {
    structs.formatLinkMessage({ kind: "link", data, attrs }, out);
    if (withoutStatistics) out.push(IFLA_EXT_MASK, putU32(RTEXT_FILTER_SKIP_STATS));
  });
}

function macOf({ mac }: Link): { address?: Buffer } {
  return mac === null ? {} : { address: Buffer.from(macOctets(mac)) };
}

function linkInfo(link: Link, lowerIndex: number | null): ifla.Info {
  if (link.type === "other") return link.driver === null ? {} : { kind: link.driver };
  if (link.type === "tun") return { kind: "tun" };
  return { kind: "vxlan", data: encodeBody((out) => out.emit(ifla.formatVxlan(vxlanData(link, lowerIndex)))) };
}

/** TTL 0 lets the kernel choose; checksums, ageing and the rest stay as the kernel has them. */
function vxlanData(link: VxlanLink, lowerIndex: number | null): ifla.Vxlan {
  const port = Buffer.alloc(2);
  port.writeUInt16BE(link.port);
  return {
    id: link.vni,
    ...(lowerIndex === null ? {} : { link: lowerIndex }),
    ...localOf(link.local),
    ttl: 0,
    learning: Number(link.learning),
    port,
    ...(link.gbp ? { gbp: true } : {}),
    ...(link.external ? { collectMetadata: 1 } : {}),
  };
}

function localOf(local: Ip | null): ifla.Vxlan {
  if (local === null) return {};
  return familyOf(local) === AF_INET ? { local: encodeIp(local) } : { local6: encodeIp(local) };
}

/** What a link message does not say. */
export interface LinkLookup {
  /** Of a vxlan device's lower device; a device that has gone meanwhile has no name and becomes null. */
  readonly nameOf: (index: number) => LinkName | null;
  /** Of a vxlan device. */
  readonly checksumOffloadOf: (name: LinkName) => boolean;
}

/** Throws `netlink.malformed`. */
export function decodeLink(buffer: Buffer, message: Message, lookup: LinkLookup): LinkRecord {
  const attributes = attributesOf(buffer, message, IFINFOMSG);
  const name = textAttribute(attributes, IFLA_IFNAME) as LinkName | null;
  if (name === null) throw malformed("link without a name", message.start);
  const flags = u32(buffer, message.start + 8);
  const info = nestedAttributes(attributes, IFLA_LINKINFO);
  const driver = info && textAttribute(info, IFLA_INFO_KIND);
  const data = info && nestedAttributes(info, IFLA_INFO_DATA);
  const fields = {
    kind: "link",
    name,
    mtu: u32Attribute(attributes, IFLA_MTU) ?? 0,
    up: (flags & IFF_UP) !== 0,
    mac: macAttribute(attributes, IFLA_ADDRESS),
  } as const;
  return {
    index: linkIndex(buffer, message),
    name,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    captivity: captivityOf(attributes),
    link: { ...fields, ...ofItsKind(name, driver, data, attributes, lookup) },
  };
}

type KindFields<L> = L extends Link ? Omit<L, "kind" | "name" | "mtu" | "up" | "mac"> : never;

function ofItsKind(
  name: LinkName,
  driver: string | null,
  data: Attributes | null,
  attributes: Attributes,
  { nameOf, checksumOffloadOf }: LinkLookup,
): KindFields<Link> {
  if (driver === "vxlan" && data) {
    const lowerIndex = u32Attribute(data, IFLA_VXLAN_LINK) || null;
    const lower = lowerIndex === null ? null : nameOf(lowerIndex);
    const { enslaved, heldDown } = captivityOf(attributes);
    const seized = enslaved || heldDown ? { seized: true as const } : {};
    return { type: "vxlan", lower, checksumOffload: checksumOffloadOf(name), ...vxlanFields(data), ...seized };
  }
  if (driver === "tun" && data && u8Attribute(data, IFLA_TUN_TYPE) === IFF_TUN) {
    return { type: "tun", ...tunFields(data, attributes) };
  }
  return { type: "other", driver: driver === "" ? null : driver };
}

function tunFields(data: Attributes, attributes: Attributes): Omit<KindFields<TunLink>, "type"> {
  return {
    alias: textAttribute(attributes, IFLA_IFALIAS) || null,
    acceptLocal: readsAcceptLocal(attributes),
    persistent: u8Attribute(data, IFLA_TUN_PERSIST) === 1,
    multiQueue: u8Attribute(data, IFLA_TUN_MULTI_QUEUE) === 1,
  };
}

function vxlanFields(data: Attributes): Pick<VxlanLink, "vni" | "port" | "local" | "learning" | "gbp" | "external"> {
  return {
    vni: u32Attribute(data, IFLA_VXLAN_ID) ?? 0,
    port: u16beAttribute(data, IFLA_VXLAN_PORT) ?? 0,
    local: ipAttribute(data, IFLA_VXLAN_LOCAL) ?? ipAttribute(data, IFLA_VXLAN_LOCAL6),
    learning: u8Attribute(data, IFLA_VXLAN_LEARNING) === 1,
    gbp: hasAttribute(data, IFLA_VXLAN_GBP),
    external: u8Attribute(data, IFLA_VXLAN_COLLECT_METADATA) === 1,
  };
}

/** ifi_index */
export function linkIndex(buffer: Buffer, message: Message): number {
  checkFixedPart(message, IFINFOMSG);
  return u32(buffer, message.start + 4);
}

/** The name in a link message, for those that want nothing else of it. */
export function linkName(buffer: Buffer, message: Message): LinkName | null {
  return textAttribute(attributesOf(buffer, message, IFINFOMSG), IFLA_IFNAME) as LinkName | null;
}
