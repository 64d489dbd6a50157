// Unicast routes of the main table <-> RTM_*ROUTE messages.

import * as structs from "netlink/dist/rt/structs.js";
import { writeU32 } from "netlink/dist/structs.js";
import {
  type Family,
  type Ip,
  ipv4Number,
  type Prefix,
  type Prefix4,
  prefix4Address,
  prefix4Size,
  prefixLength,
} from "../base/ip.ts";
import type { LinkName, Route, RouteProtocol } from "../net/objects.ts";
import {
  type Attributes,
  attributesBetween,
  attributesOf,
  checkFixedPart,
  encodeBody,
  hasAttribute,
  type Message,
  malformed,
  payloadOf,
  type Request,
  u16,
  u32,
  u32Attribute,
  walkAttributes,
} from "./codec.ts";
import {
  AF_INET,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTA_CACHEINFO,
  RTA_DST,
  RTA_ENCAP_TYPE,
  RTA_FLOW,
  RTA_GATEWAY,
  RTA_METRICS,
  RTA_MULTIPATH,
  RTA_NH_ID,
  RTA_OIF,
  RTA_PREFSRC,
  RTA_PRIORITY,
  RTA_VIA,
  RTM_DELROUTE,
  RTM_F_FIB_MATCH,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTN_UNICAST,
  RTNH_F_ONLINK,
} from "./constants.ts";
import { AF, decodeIp, encodeIp, familyOf, ipAttribute } from "./octets.ts";

/** struct rtmsg, and where its fields are */
export const RTMSG = 12;
const RTM_FAMILY = 0;
export const RTM_DST_LEN = 1;
const RTM_TOS = 3;
const RTM_TABLE = 4;
const RTM_TYPE = 7;
export const PROTOCOL_AT = 5;
const RTM_FLAGS = 8;

/** struct rtnexthop */
const RTNEXTHOP = 8;

/** RTPROT_UNSPEC */
const ANY_PROTOCOL = 0 as RouteProtocol;

/** Which routes of the main table to dump. Kernel: with strict checking it filters itself (facts.test.ts). */
export interface RouteFilter {
  readonly family: Family;
  /** Null: through any device. */
  readonly index: number | null;
  /** Null: of any protocol. */
  readonly protocol: RouteProtocol | null;
}

export function requestRoutes({ family, index, protocol }: RouteFilter): Request {
  const data = { family: AF[family], table: RT_TABLE_MAIN, type: RTN_UNICAST, protocol: protocol ?? 0 };
  const attrs = { table: RT_TABLE_MAIN, ...(index === null ? {} : { oif: index }) };
  return { type: RTM_GETROUTE, flags: 0, body: routeBody(data, attrs) };
}

/** Asks which way a packet to `destination` would take. */
export function requestLookup(destination: Ip): Request {
  const dst = encodeIp(destination);
  const body = routeBody({ family: familyOf(destination), dstLen: dst.length * 8 }, { dst });
  return { type: RTM_GETROUTE, flags: 0, body };
}

/** Asks for the entry of the table that a packet to the first address of `prefix` would match. */
export function requestMatch(prefix: Prefix): Request {
  const dst = encodeIp(prefix.slice(0, prefix.indexOf("/")) as Ip);
  const data = { family: familyOf(prefix), dstLen: dst.length * 8, flags: { __unknown: RTM_F_FIB_MATCH } };
  return { type: RTM_GETROUTE, flags: 0, body: routeBody(data, { dst }) };
}

/** Kernel: refused with EEXIST when any route has this destination and metric. */
export function createRoute(route: Route, index: number): Request {
  return { type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL, body: newBody(route, index) };
}

/** Kernel: in place of the first route with this destination and metric, whoever made it. */
export function replaceRoute(route: Route, index: number): Request {
  return { type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_REPLACE, body: newBody(route, index) };
}

/** Beside those with this destination and metric, and before them. */
export function prependRoute(route: Route, index: number): Request {
  return { type: RTM_NEWROUTE, flags: NLM_F_CREATE, body: newBody(route, index) };
}

/**
 * Kernel: what is named must match; scope *nowhere* matches any scope, and a metric of 0 cannot be named. Of IPv6 the
 * gateway and the device tell one from its siblings, all of which read back with the protocol of the first.
 */
export function deleteRoute(route: Route, index: number): Request {
  const any = familyOf(route.dst) === AF_INET ? route : { ...route, protocol: ANY_PROTOCOL };
  return { type: RTM_DELROUTE, flags: 0, body: bodyFor(any, index, RT_SCOPE_NOWHERE, {}) };
}

/** Kernel: deletes all IPv6 routes of this destination and metric, of every type and through every device. */
export function vacatePlace({ dst, metric }: Route): Request {
  const address = encodeIp(dst.slice(0, dst.indexOf("/")) as Ip);
  const data = { family: familyOf(dst), dstLen: prefixLength(dst), table: RT_TABLE_MAIN, scope: RT_SCOPE_NOWHERE };
  return { type: RTM_DELROUTE, flags: 0, body: routeBody(data, { dst: address, priority: metric }) };
}

function newBody(route: Route, index: number): Buffer {
  return bodyFor(route, index, scopeOf(route), route.onlink ? { __unknown: RTNH_F_ONLINK } : {});
}

/** Kernel: from 200 on they have names and meanings. */
const INTERIOR_SCOPES = 199;

/**
 * Kernel: routes whose protocol, scope, metric and device are the same hang in one list, whatever their gateways, and a
 * new one is compared with all of it: the 20,000th costs 0.5 ms. A lookup asks only whether the scope is narrower than
 * its own, which for every scope up to `link` comes to the same (facts.test.ts), so neighbouring subnets are given
 * different ones (decision 14).
 * Compat: other routes are of global scope, also one without a gateway, as the Go daemon's through its TUN device is.
 */
function scopeOf({ dst, onlink }: Route): number {
  if (!onlink || familyOf(dst) !== AF_INET) return RT_SCOPE_UNIVERSE;
  const first = ipv4Number(prefix4Address(dst as Prefix4));
  return 1 + (Math.floor(first / prefix4Size(prefixLength(dst))) % INTERIOR_SCOPES);
}

function bodyFor(
  { dst, via, metric, protocol }: Route,
  index: number,
  scope: number,
  flags: { readonly __unknown?: number },
): Buffer {
  const family = familyOf(dst);
  const address = encodeIp(dst.slice(0, dst.indexOf("/")) as Ip);
  const crossing = via !== null && familyOf(via) !== family;
  const [dstLen, table] = [prefixLength(dst), RT_TABLE_MAIN];
  const data = { family, dstLen, table, protocol: protocol as number, scope, type: RTN_UNICAST, flags };
  return encodeBody((out) => {
    const attrs = { dst: address, oif: index, priority: metric };
    structs.formatRouteMessage({ kind: "route", data, attrs }, out);
    if (via === null) return;
    if (crossing) out.push(RTA_VIA, Buffer.concat([Buffer.from(Uint16Array.of(familyOf(via)).buffer), encodeIp(via)]));
    else out.push(RTA_GATEWAY, encodeIp(via));
  });
}

function routeBody(data: structs.RouteMessage["data"], attrs: structs.RouteMessage["attrs"]): Buffer {
  return encodeBody((out) => structs.formatRouteMessage({ kind: "route", data, attrs }, out));
}

/**
 * Leaves of the flags what a Route tells: a cable that is out (RTNH_F_LINKDOWN, RTNH_F_DEAD) is not another route. Kernel:
 * IPv6 routes also say when they were used last, and when they end.
 */
export function maskRoute(buffer: Buffer, message: Message): void {
  checkFixedPart(message, RTMSG);
  const at = message.start + RTM_FLAGS;
  writeU32.call(buffer, u32(buffer, at) & RTNH_F_ONLINK, at);
  if (buffer[message.start + RTM_FAMILY] === AF_INET) return;
  walkAttributes(buffer, message.start + RTMSG, message.end, (type, start, end) => {
    if (type === RTA_CACHEINFO) buffer.fill(0, start, end);
  });
}

/**
 * Kernel: IPv6 routes of one destination and metric are read as one with several next hops, also when each was made by
 * itself; and each can be deleted by itself. Those through the device. Throws `netlink.malformed`.
 */
export function decodeSiblings(buffer: Buffer, message: Message, dev: LinkName, index: number): readonly Route[] {
  const attributes = attributesOf(buffer, message, RTMSG);
  // Next hops that are an object of their own go with it only.
  if (buffer[message.start + RTM_FAMILY] === AF_INET || hasAttribute(attributes, RTA_NH_ID)) return [];
  return nextHops(attributes)
    .filter((hop) => hop.index === index)
    .map(({ via, onlink }) => ({
      kind: "route",
      dev,
      dst: destinationOf(attributes, buffer, message),
      via,
      onlink,
      metric: u32Attribute(attributes, RTA_PRIORITY) ?? 0,
      protocol: buffer.readUInt8(message.start + PROTOCOL_AT) as RouteProtocol,
    }));
}

/** What a route may say that a Route cannot, and that a Route does not tell. */
const BEYOND = [RTA_MULTIPATH, RTA_NH_ID];
const MORE = [RTA_PREFSRC, RTA_METRICS, RTA_FLOW, RTA_ENCAP_TYPE];

/**
 * Null for what a Route cannot say and we never make: several next hops, one that is an object of its own (ip-nexthop(8)),
 * a type of service. They stay as they are. Throws `netlink.malformed`.
 */
export function decodeRoute(buffer: Buffer, message: Message, dev: LinkName): Route | null {
  const attributes = attributesOf(buffer, message, RTMSG);
  const says = (type: number) => hasAttribute(attributes, type);
  if (BEYOND.some(says) || buffer[message.start + RTM_TOS] !== 0) return null;
  return {
    kind: "route",
    dev,
    dst: destinationOf(attributes, buffer, message),
    via: gatewayOf(attributes),
    onlink: (u32(buffer, message.start + RTM_FLAGS) & RTNH_F_ONLINK) !== 0,
    metric: u32Attribute(attributes, RTA_PRIORITY) ?? 0,
    protocol: buffer.readUInt8(message.start + PROTOCOL_AT) as RouteProtocol,
    ...(MORE.some(says) ? { saysMore: true as const } : {}),
  };
}

export function destinationOf(attributes: Attributes, buffer: Buffer, message: Message): Prefix {
  const any = buffer[message.start + RTM_FAMILY] === AF_INET ? "0.0.0.0" : "::";
  return `${ipAttribute(attributes, RTA_DST) ?? any}/${buffer[message.start + RTM_DST_LEN]}` as Prefix;
}

function gatewayOf(attributes: Attributes): Ip | null {
  const gateway = ipAttribute(attributes, RTA_GATEWAY);
  if (gateway !== null) return gateway;
  const span = attributes.spans.get(RTA_VIA);
  return span ? decodeIp(attributes.buffer, span.start + 2, span.end) : null;
}

/** The device, source address and gateway that the kernel names in a route. */
export interface Way {
  readonly index: number | null;
  readonly source: Ip | null;
  readonly via: Ip | null;
}

export function decodeWay(buffer: Buffer, message: Message): Way {
  const attributes = attributesOf(buffer, message, RTMSG);
  const source = ipAttribute(attributes, RTA_PREFSRC);
  return { index: u32Attribute(attributes, RTA_OIF), source, via: gatewayOf(attributes) };
}

interface NextHop {
  readonly index: number;
  readonly via: Ip | null;
  readonly onlink: boolean;
}

/** Those of a route that has several; none of one that has one. */
export function nextHops(attributes: Attributes): NextHop[] {
  const hops = payloadOf(attributes, RTA_MULTIPATH) ?? Buffer.alloc(0);
  const found: NextHop[] = [];
  for (let offset = 0; offset + RTNEXTHOP <= hops.length; ) {
    const length = u16(hops, offset);
    if (length < RTNEXTHOP || length > hops.length - offset) throw malformed(`next hop length ${length}`, offset);
    const via = gatewayOf(attributesBetween(hops, offset + RTNEXTHOP, offset + length));
    found.push({ index: u32(hops, offset + 4), via, onlink: (hops.readUInt8(offset + 2) & RTNH_F_ONLINK) !== 0 });
    offset += (length + 3) & ~3;
  }
  return found;
}

/**
 * The device of a route in a notification; null when it names none or several. Kernel: a blackhole of IPv6 names lo, through
 * which it does not lead.
 */
export function routeIndex(buffer: Buffer, message: Message): number | null {
  checkFixedPart(message, RTMSG);
  if (buffer[message.start + RTM_TYPE] !== RTN_UNICAST) return null;
  return u32Attribute(attributesOf(buffer, message, RTMSG), RTA_OIF);
}

/** rtm_table: the table's number if it is a small one, which all that have a name are. */
export function routeTable(buffer: Buffer, message: Message): number {
  checkFixedPart(message, RTMSG);
  return buffer.readUInt8(message.start + RTM_TABLE);
}
