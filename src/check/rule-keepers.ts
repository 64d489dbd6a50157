// Who keeps firewall rules on a host: iptables of either kind and nft, and which packets come to their chains. Pure.

import type { Family } from "../base/ip.ts";
import type { RuleFacts } from "./facts.ts";
import { readIptablesChains } from "./iptables-rules.ts";
import { readNftChains } from "./nft-rules.ts";
import type { SeenChain } from "./packet-fate.ts";

/** All chains that one tool keeps. */
export interface Keeper {
  /** "iptables-legacy", "nft" */
  readonly tool: string;
  readonly chains: readonly SeenChain[];
}

/** Several checks ask, and the text may be megabytes. */
const known = new WeakMap<RuleFacts, readonly Keeper[]>();

export function keepersOf(rules: RuleFacts): readonly Keeper[] {
  const before = known.get(rules);
  if (before) return before;
  const keepers = readKeepers(rules);
  known.set(rules, keepers);
  return keepers;
}

function readKeepers({ iptables, nftables }: RuleFacts): readonly Keeper[] {
  const saved = Object.entries(iptables).map(([tool, text]) => ({ tool, chains: readIptablesChains(text) }));
  // Tables that iptables-nft has made are read with iptables-save.
  const nft = readNftChains(nftables).filter(({ isOfIptables }) => saved.length === 0 || !isOfIptables);
  return [...saved, { tool: "nft", chains: nft }];
}

/** iptables is of IPv4, and so is a table "ip" of nft. Those of "bridge" and "arp" see frames. */
export function meets({ family }: { readonly family: Family }, { table }: SeenChain, { tool }: Keeper): boolean {
  if (tool !== "nft") return family === "ipv4";
  return table.startsWith("inet ") || table.startsWith(family === "ipv4" ? "ip " : "ip6 ");
}
