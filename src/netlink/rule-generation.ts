// The number by which nf_tables says that nothing has changed. Kernel: each transaction that is carried out, of nft or of
// iptables-nft, makes another one of it (nf_tables_commit); iptables-legacy does not take part.

import { isError } from "../base/errors.ts";
import type { NativeAddon } from "../native/native.ts";
import { attributesOf, messagesOf, u32Attribute } from "./codec.ts";
import { openConnection } from "./connection.ts";
import { NETLINK_NETFILTER, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, NFT_MSG_NEWGEN, NFTA_GEN_ID } from "./constants.ts";

/** struct nfgenmsg, of no family. */
const NFGENMSG = Buffer.alloc(4);

const typeOf = (message: number) => (NFNL_SUBSYS_NFTABLES << 8) | message;

/**
 * Of the process's network namespace, as it is now, to be compared and nothing else; null when the kernel does not tell,
 * as without nf_tables.
 */
export function readRuleGeneration(native: NativeAddon): number | null {
  try {
    using connection = openConnection(native, NETLINK_NETFILTER);
    const { messages } = connection.ask({ type: typeOf(NFT_MSG_GETGEN), flags: 0, body: NFGENMSG });
    const found = [...messagesOf(messages)].find(({ type }) => type === typeOf(NFT_MSG_NEWGEN));
    return found ? u32Attribute(attributesOf(messages, found, NFGENMSG.length), NFTA_GEN_ID) : null;
  } catch (error) {
    if (isError(error, "netlink.errno") || isError(error, "netlink.malformed")) return null;
    throw error;
  }
}
