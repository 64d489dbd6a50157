// Notifications of nf_tables, reduced to hints: that something changed in a chain, or was taken out of a set. nft and
// iptables-nft cause them; what iptables-legacy changes is announced to nobody.

import { addAbortListener } from "node:events";
import { createDoorbell } from "../base/doorbell.ts";
import { isError } from "../base/errors.ts";
import type { NativeAddon } from "../native/native.ts";
import { attributesOf, type Message, messagesOf, textAttribute } from "./codec.ts";
import { refusedToTalk } from "./connection.ts";
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

/** Listens from this call on, until the signal aborts. Throws `netlink.errno` when the kernel has no nf_tables to listen to. */
export function watchRules(native: NativeAddon, signal: AbortSignal): AsyncIterable<RuleHint> {
  const bell = createDoorbell();
  const pending = new Map<string, RuleHint>();
  const listener = (messages: Buffer, overrun: boolean) => {
    const hints = overrun ? [EVERYTHING] : ruleHintsOf(messages);
    for (const hint of hints) pending.set(`${hint.table} ${hint.chain}`, hint);
    if (hints.length > 0) bell.ring("hint");
  };
  const monitor = openMonitor(native, listener);
  const abort = addAbortListener(signal, () => monitor[Symbol.dispose]());
  const take = () => {
    const hints = [...pending.values()];
    pending.clear();
    return hints;
  };
  const close = () => {
    abort[Symbol.dispose]();
    monitor[Symbol.dispose]();
  };
  return hintsUntilAborted(bell.wait, take, close, signal);
}

function openMonitor(native: NativeAddon, listener: (messages: Buffer, overrun: boolean) => void): Disposable {
  try {
    return native.openNetlinkMonitor([NFNLGRP_NFTABLES], RECEIVE_BUFFER, listener, NETLINK_NETFILTER);
  } catch (error) {
    throw refusedToTalk(error);
  }
}

async function* hintsUntilAborted(
  wait: (signal: AbortSignal) => Promise<unknown>,
  take: () => readonly RuleHint[],
  close: () => void,
  signal: AbortSignal,
): AsyncGenerator<RuleHint, void> {
  try {
    while (!signal.aborted) {
      await wait(signal);
      yield* take();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    close();
  }
}

/** What a datagram is about; what cannot be read may be about anything. */
export function ruleHintsOf(messages: Buffer): readonly RuleHint[] {
  try {
    return [...messagesOf(messages)].map((message) => hintOf(messages, message)).filter((hint) => hint !== null);
  } catch (error) {
    if (isError(error, "netlink.malformed")) return [EVERYTHING];
    throw error;
  }
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
