// How full the kernel's IPv4 neighbour table is: one table for all interfaces and all network namespaces, with one limit.

import type { NeighbourTable } from "../net/kernel-net.ts";
import { attributesOf, messagesOf, payloadOf, type Request, u32, u32Attribute } from "./codec.ts";
import { type Connection, refusedTo } from "./connection.ts";
import { AF_INET, NDTA_CONFIG, NDTA_THRESH3, RTM_GETNEIGHTBL, RTM_NEWNEIGHTBL } from "./constants.ts";

/** struct ndtmsg */
const NDTMSG = 4;
/** struct ndt_config: two u16 precede ndtc_entries. */
const ENTRIES = 4;
const NDT_CONFIG = 32;

/** Null when the kernel does not tell. */
export function readNeighbourTable(connection: Connection): NeighbourTable | null {
  const request: Request = { type: RTM_GETNEIGHTBL, flags: 0, body: Buffer.from([AF_INET, 0, 0, 0]) };
  const { refusal, messages } = connection.dump(request);
  if (refusal) throw refusedTo("reading how full the neighbour table is", refusal);
  for (const message of messagesOf(messages)) {
    if (message.type !== RTM_NEWNEIGHTBL) continue;
    const attributes = attributesOf(messages, message, NDTMSG);
    // Kernel: the messages about single interfaces have neither.
    const config = payloadOf(attributes, NDTA_CONFIG, NDT_CONFIG);
    const limit = u32Attribute(attributes, NDTA_THRESH3);
    if (config !== null && limit !== null) return { entries: u32(config, ENTRIES), limit };
  }
  return null;
}
