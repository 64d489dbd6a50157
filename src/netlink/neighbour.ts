// Permanent neighbours <-> RTM_*NEIGH messages of the IP families. The same messages in family AF_BRIDGE are forwarding
// entries: fdb.ts.

import * as structs from "netlink/dist/rt/structs.js";
import { putU32 } from "netlink/dist/structs.js";
import type { Family } from "../base/ip.ts";
import { macOctets } from "../base/mac.ts";
import type { LinkName, Neighbour } from "../net/objects.ts";
import { attributesOf, checkFixedPart, encodeBody, type Message, type Request, u16, u32 } from "./codec.ts";
import {
  NDA_CACHEINFO,
  NDA_DST,
  NDA_LLADDR,
  NDA_PROBES,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  NUD_PERMANENT,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from "./constants.ts";
import { AF, encodeIp, familyOf, ipAttribute, macAttribute } from "./octets.ts";

/** struct ndmsg */
export const NDMSG = 12;

/** When an entry was last used, and how often somebody asked: it is the same entry. */
export const VOLATILE_OF_NEIGHBOUR: readonly number[] = [NDA_CACHEINFO, NDA_PROBES];

/** The neighbours of one device, of every state. Kernel: it filters by device itself. */
export function requestNeighbours(index: number, family: Family): Request {
  const body = neighbourBody({ family: AF[family] }, { ifindex: putU32(index) });
  return { type: RTM_GETNEIGH, flags: 0, body };
}

/** Also turns an entry that was learned into a permanent one. */
export function createNeighbour({ ip, mac }: Neighbour, index: number): Request {
  const data = { family: familyOf(ip), ifindex: index, state: { permanent: true as const } };
  const body = neighbourBody(data, { dst: encodeIp(ip), lladdr: Buffer.from(macOctets(mac)) });
  return { type: RTM_NEWNEIGH, flags: NLM_F_CREATE | NLM_F_REPLACE, body };
}

export function deleteNeighbour({ ip }: Neighbour, index: number): Request {
  const body = neighbourBody({ family: familyOf(ip), ifindex: index }, { dst: encodeIp(ip) });
  return { type: RTM_DELNEIGH, flags: 0, body };
}

export function neighbourBody(data: structs.NeighborMessage["data"], attrs: structs.NeighborMessage["attrs"]): Buffer {
  return encodeBody((out) => structs.formatNeighborMessage({ kind: "neighbor", data, attrs }, out));
}

/** Throws `netlink.malformed`. */
export function isPermanent(buffer: Buffer, message: Message): boolean {
  checkFixedPart(message, NDMSG);
  return (u16(buffer, message.start + 8) & NUD_PERMANENT) !== 0;
}

/** ndm_ifindex */
export function neighbourIndex(buffer: Buffer, message: Message): number {
  checkFixedPart(message, NDMSG);
  return u32(buffer, message.start + 4);
}

/** Null for an entry without an Ethernet address. Throws `netlink.malformed`. */
export function decodeNeighbour(buffer: Buffer, message: Message, dev: LinkName): Neighbour | null {
  const attributes = attributesOf(buffer, message, NDMSG);
  const ip = ipAttribute(attributes, NDA_DST);
  const mac = macAttribute(attributes, NDA_LLADDR);
  return ip !== null && mac !== null ? { kind: "neighbour", dev, ip, mac } : null;
}
