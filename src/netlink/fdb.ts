// Permanent entries of a vxlan device's own forwarding database <-> RTM_*NEIGH messages of the bridge family.

import { macOctets } from "../base/mac.ts";
import type { FdbEntry, LinkName } from "../net/objects.ts";
import { attributesOf, type Message, type Request } from "./codec.ts";
import {
  AF_BRIDGE,
  NDA_DST,
  NDA_LLADDR,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from "./constants.ts";
import { NDMSG, neighbourBody } from "./neighbour.ts";
import { encodeIp, ipAttribute, macAttribute } from "./octets.ts";

/** The entries of one device. Kernel: with strict checking it filters by ndm_ifindex itself. */
export function requestFdb(index: number): Request {
  return { type: RTM_GETNEIGH, flags: 0, body: neighbourBody({ family: AF_BRIDGE, ifindex: index }, {}) };
}

/** Kernel: a unicast MAC has one destination; only NLM_F_REPLACE changes it (facts.test.ts). */
export function createFdbEntry(entry: FdbEntry, index: number): Request {
  return { type: RTM_NEWNEIGH, flags: NLM_F_CREATE | NLM_F_REPLACE, body: bodyFor(entry, index) };
}

export function deleteFdbEntry(entry: FdbEntry, index: number): Request {
  return { type: RTM_DELNEIGH, flags: 0, body: bodyFor(entry, index) };
}

function bodyFor({ mac, dst }: FdbEntry, index: number): Buffer {
  const data = { family: AF_BRIDGE, ifindex: index, state: { permanent: true }, flags: { self: true } } as const;
  return neighbourBody(data, { lladdr: Buffer.from(macOctets(mac)), dst: encodeIp(dst) });
}

/** Null for an entry that sends nowhere. Throws `netlink.malformed`. */
export function decodeFdbEntry(buffer: Buffer, message: Message, dev: LinkName): FdbEntry | null {
  const attributes = attributesOf(buffer, message, NDMSG);
  const mac = macAttribute(attributes, NDA_LLADDR);
  const dst = ipAttribute(attributes, NDA_DST);
  return mac !== null && dst !== null ? { kind: "fdb", dev, mac, dst } : null;
}
