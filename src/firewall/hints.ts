// What the kernel says of changes of rules: which of them can be about ours.

import { isError } from "../base/errors.ts";
import { createWaiters } from "../base/waiters.ts";
import { isOurChain } from "./iptables.ts";
import { isOurTable } from "./nftables.ts";

/** Carries no state on purpose: a lost or doubled hint is harmless. */
export interface RuleHint {
  /** Null: nobody knows which. */
  readonly table: string | null;
  /** Null: all of the table's. Empty: none, but a set. */
  readonly chain: string | null;
}

export type WatchRules = (signal: AbortSignal) => AsyncIterable<RuleHint>;

/** A number that is another one after each change of rules that is announced; null when it cannot be told. */
export type RuleGeneration = () => number | null;

/** kube-proxy and Docker write thousands of rules into chains of their own; those are no reason to look. */
export function concernsOurRules({ table, chain }: RuleHint): boolean {
  return table === null || isOurTable(table) || isOurChain(table, chain);
}

export interface RuleListener {
  readonly onListening: () => void;
  readonly onHint: (hint: RuleHint) => unknown;
  /** The kernel does not tell of changes, and why. */
  readonly onDeaf: (reason: string) => void;
}

/** Until aborted, also where the kernel tells nothing: without hints everything works, a look later. */
export async function hearRules(watch: WatchRules, listener: RuleListener, signal: AbortSignal): Promise<void> {
  try {
    const hints = watch(signal);
    listener.onListening();
    for await (const hint of hints) listener.onHint(hint);
  } catch (error) {
    if (!isError(error, "netlink.errno")) throw error;
    listener.onDeaf(error.message);
    await createWaiters().until(() => false, signal);
  }
}
