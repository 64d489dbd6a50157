// What the kernel says of changes of rules: which of them can be about ours.

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

/** kube-proxy and Docker write thousands of rules into chains of their own; those are no reason to look. */
export function concernsOurRules({ table, chain }: RuleHint): boolean {
  return table === null || isOurTable(table) || isOurChain(table, chain);
}
