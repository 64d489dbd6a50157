// Permanent entries of a vxlan device's own forwarding database <-> RTM_*NEIGH messages of the bridge family.

import { NO_IPV4 } from "../base/ip.ts";
import { type Mac, macOctets } from "../base/mac.ts";
import type { FdbEntry, LinkName } from "../net/objects.ts";
import { attributesOf, hasAttribute, type Message, type Request } from "./codec.ts";
import {
  AF_BRIDGE,
  NDA_DST,
  NDA_IFINDEX,
  NDA_LLADDR,
  NDA_NH_ID,
  NDA_PORT,
  NDA_VNI,
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
export function createFdbEntry({ mac, dst }: FdbEntry, index: number): Request {
  const body = bodyFor(mac, index, { dst: encodeIp(dst) });
  return { type: RTM_NEWNEIGH, flags: NLM_F_CREATE | NLM_F_REPLACE, body };
}

/** Kernel: a destination must be named with its port, VNI and interface; without one all of the MAC go (undone.test.ts). */
export function deleteFdbEntry({ mac }: FdbEntry, index: number): Request {
  return { type: RTM_DELNEIGH, flags: 0, body: bodyFor(mac, index, {}) };
}

function bodyFor(mac: Mac, index: number, to: { readonly dst?: Buffer }): Buffer {
  const data = { family: AF_BRIDGE, ifindex: index, state: { permanent: true }, flags: { self: true } } as const;
  return neighbourBody(data, { lladdr: Buffer.from(macOctets(mac)), ...to });
}

/** Kernel: it names them where they are others than the device's. A next hop that is an object stands for the destination. */
const DETOURS = [NDA_PORT, NDA_VNI, NDA_IFINDEX, NDA_NH_ID];

/** Null for an entry that sends nowhere. Throws `netlink.malformed`. */
export function decodeFdbEntry(buffer: Buffer, message: Message, dev: LinkName): FdbEntry | null {
  const attributes = attributesOf(buffer, message, NDMSG);
  const mac = macAttribute(attributes, NDA_LLADDR);
  const dst = ipAttribute(attributes, NDA_DST) ?? (hasAttribute(attributes, NDA_NH_ID) ? NO_IPV4 : null);
  if (mac === null || dst === null) return null;
  const astray = DETOURS.some((type) => hasAttribute(attributes, type));
  return { kind: "fdb", dev, mac, dst, ...(astray ? { astray } : {}) };
}
