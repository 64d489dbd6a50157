// Who keeps firewall rules on a host: iptables of either kind and nft, and which packets come to their chains. Pure.

import type { RuleFacts } from "./facts.ts";
import { readIptablesChains } from "./iptables-rules.ts";
import { type NftChain, readNftChains } from "./nft-rules.ts";
import type { Packet, SeenChain } from "./packet-fate.ts";

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
  const nft = readNftChains(nftables).filter((chain) => !isSaved(chain, Object.keys(iptables)));
  return [...saved, { tool: "nft", chains: nft }];
}

/** Tables that iptables-nft has made are read with iptables-save, those of ip6tables-nft with ip6tables-save. */
export function isSaved({ isOfIptables, table }: NftChain, tools: readonly string[]): boolean {
  return isOfIptables && tools.some((tool) => isOfIpv6(tool) === table.startsWith("ip6 "));
}

function isOfIpv6(tool: string): boolean {
  return tool.startsWith("ip6tables");
}

/** Of nft the table "ip" is of IPv4, "inet" and "netdev" are of both families. Those of "bridge" and "arp" see frames. */
export function meets(packet: Packet, chain: SeenChain, { tool }: Keeper): boolean {
  if (tool !== "nft") return isOfIpv6(tool) === (packet.family === "ipv6");
  const families = ["inet", "netdev", packet.family === "ipv4" ? "ip" : "ip6"];
  return families.some((family) => chain.table.startsWith(`${family} `)) && isAtItsDevice(packet, chain);
}

/** A chain that is jumped to is met wherever that is done. */
function isAtItsDevice({ iif, oif }: Packet, { hook, devices }: SeenChain): boolean {
  if (devices === undefined) return true;
  const own = hook === "egress" ? oif : iif;
  return typeof own === "string" && devices.includes(own);
}
