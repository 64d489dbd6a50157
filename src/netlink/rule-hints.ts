// Notifications of nf_tables, reduced to hints: that something changed in a chain, or was taken out of a set. nft and
// iptables-nft cause them; what iptables-legacy changes is announced to nobody.

import type { NativeAddon } from "../native/native.ts";
import { attributesOf, type Message, messagesOf, textAttribute } from "./codec.ts";
import {
  NETLINK_NETFILTER,
  NFNL_SUBSYS_NFTABLES,
  NFNLGRP_NFTABLES,
  NFT_MSG_DELCHAIN,
  NFT_MSG_DELRULE,
  NFT_MSG_DELSET,
  NFT_MSG_DELSETELEM,
  NFT_MSG_DELTABLE,
  NFT_MSG_NEWCHAIN,
  NFT_MSG_NEWRULE,
  NFT_MSG_NEWTABLE,
  NFTA_CHAIN_NAME,
  NFTA_CHAIN_TABLE,
  NFTA_RULE_CHAIN,
  NFTA_RULE_TABLE,
  NFTA_SET_ELEM_LIST_TABLE,
  NFTA_SET_TABLE,
  NFTA_TABLE_NAME,
} from "./constants.ts";
import { type Multicast, readHints, watchMulticast } from "./multicast.ts";

export interface RuleHint {
  /** Null: nobody knows which; any may have changed. */
  readonly table: string | null;
  /** Null: all of the table's. Empty: none, but a set. */
  readonly chain: string | null;
}

const NO_CHAIN = "";

/** struct nfgenmsg */
const NFGENMSG = 4;

/** kube-proxy writes thousands of rules at once; more than this is a hint about everything. */
const RECEIVE_BUFFER = 2 * 1024 * 1024;

const EVERYTHING: RuleHint = { table: null, chain: null };

const SOURCE: Multicast<RuleHint> = {
  protocol: NETLINK_NETFILTER,
  groups: [NFNLGRP_NFTABLES],
  receiveBuffer: RECEIVE_BUFFER,
  read: (messages) =>
    [...messagesOf(messages)].map((message) => hintOf(messages, message)).filter((hint) => hint !== null),
  anything: EVERYTHING,
  keyOf: ({ table, chain }) => `${table} ${chain}`,
};

/** Listens from this call on, until the signal aborts. Throws `netlink.errno` when the kernel has no nf_tables. */
export function watchRules(native: NativeAddon, signal: AbortSignal): AsyncIterable<RuleHint> {
  return watchMulticast(SOURCE, native, signal);
}

/** What a datagram is about; what cannot be read may be about anything. */
export function ruleHintsOf(messages: Buffer): readonly RuleHint[] {
  return readHints(SOURCE, messages);
}

function hintOf(buffer: Buffer, message: Message): RuleHint | null {
  if (message.type >> 8 !== NFNL_SUBSYS_NFTABLES) return null;
  const text = (type: number) => textAttribute(attributesOf(buffer, message, NFGENMSG), type);
  switch (message.type & 0xff) {
    case NFT_MSG_NEWTABLE:
    case NFT_MSG_DELTABLE:
      return { table: text(NFTA_TABLE_NAME), chain: null };
    case NFT_MSG_NEWCHAIN:
    case NFT_MSG_DELCHAIN:
      return { table: text(NFTA_CHAIN_TABLE), chain: text(NFTA_CHAIN_NAME) };
    case NFT_MSG_NEWRULE:
    case NFT_MSG_DELRULE:
      return { table: text(NFTA_RULE_TABLE), chain: text(NFTA_RULE_CHAIN) };
    case NFT_MSG_DELSET:
      return { table: text(NFTA_SET_TABLE), chain: NO_CHAIN };
    case NFT_MSG_DELSETELEM:
      return { table: text(NFTA_SET_ELEM_LIST_TABLE), chain: NO_CHAIN };
    // What comes to a set, counters and the end of a transaction.
    default:
      return null;
  }
}
