// Blackhole routes of the main table <-> RTM_*ROUTE messages. They lead through no device, so they are read all at once;
// few hosts have more than some.

import * as structs from "netlink/dist/rt/structs.js";
import { type Family, type Ip, familyOf as ipFamily, prefixLength } from "../base/ip.ts";
import type { Blackhole, RouteProtocol } from "../net/objects.ts";
import { attributesOf, encodeBody, type Message, messagesOf, type Request, u32Attribute } from "./codec.ts";
import { type Connection, type Refusal, refusedTo } from "./connection.ts";
import {
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTA_PRIORITY,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
  RTN_BLACKHOLE,
} from "./constants.ts";
import { AF, encodeIp, familyOf } from "./octets.ts";
import { destinationOf, maskRoute, PROTOCOL_AT, RTMSG } from "./route.ts";

/** Kernel: with strict checking it leaves out every other type itself. */
function requestBlackholes(family: Family): Request {
  const data = { family: AF[family], table: RT_TABLE_MAIN, type: RTN_BLACKHOLE };
  const body = encodeBody((out) =>
    structs.formatRouteMessage({ kind: "route", data, attrs: { table: RT_TABLE_MAIN } }, out),
  );
  return { type: RTM_GETROUTE, flags: 0, body };
}

/** Kernel: refused with EEXIST when any route has this destination and metric. */
export function createBlackhole(route: Blackhole): Request {
  return { type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL, body: bodyFor(route, RT_SCOPE_UNIVERSE) };
}

export function replaceBlackhole(route: Blackhole): Request {
  return { type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_REPLACE, body: bodyFor(route, RT_SCOPE_UNIVERSE) };
}

export function deleteBlackhole(route: Blackhole): Request {
  return { type: RTM_DELROUTE, flags: 0, body: bodyFor(route, RT_SCOPE_NOWHERE) };
}

function bodyFor({ dst, metric, protocol }: Blackhole, scope: number): Buffer {
  const address = encodeIp(dst.slice(0, dst.indexOf("/")) as Ip);
  const data = {
    family: familyOf(dst),
    dstLen: prefixLength(dst),
    table: RT_TABLE_MAIN,
    protocol: protocol as number,
    scope,
    type: RTN_BLACKHOLE,
  };
  return encodeBody((out) =>
    structs.formatRouteMessage({ kind: "route", data, attrs: { dst: address, priority: metric } }, out),
  );
}

/** The dump, without what changes by itself. Throws `netlink.errno`. */
export function readBlackholes(family: Family, connection: Connection): Buffer {
  const { refusal, messages } = connection.dump(requestBlackholes(family));
  if (refusal) throw refusedTo("reading blackhole routes", refusal);
  for (const message of messagesOf(messages)) maskRoute(messages, message);
  return messages;
}

export function decodeBlackholes(messages: Buffer): Blackhole[] {
  return [...messagesOf(messages)].map((message) => decodeBlackhole(messages, message));
}

/** Throws `netlink.malformed`. */
function decodeBlackhole(buffer: Buffer, message: Message): Blackhole {
  const attributes = attributesOf(buffer, message, RTMSG);
  return {
    kind: "blackhole",
    dst: destinationOf(attributes, buffer, message),
    metric: u32Attribute(attributes, RTA_PRIORITY) ?? 0,
    protocol: buffer.readUInt8(message.start + PROTOCOL_AT) as RouteProtocol,
  };
}

/** After EEXIST: null when what stands there is what was to be made. */
export function settleBlackhole(route: Blackhole, connection: Connection): Refusal | null {
  const isIt = ({ dst, metric, protocol }: Blackhole) =>
    dst === route.dst && metric === route.metric && protocol === route.protocol;
  if (decodeBlackholes(readBlackholes(ipFamily(route.dst), connection)).some(isIt)) return null;
  return { errno: "EEXIST", message: "another route of this destination and metric stands in its place" };
}
