// The chains of firewalld among all others, and what to tell it. It rejects what none of its zones lets pass, whatever
// other tables accept, and writes its chains anew when it is reloaded: a rule that somebody else adds there is lost.

import type { Prefix } from "../base/ip.ts";
import { shellWord } from "../base/paste.ts";
import type { Drop, SeenChain } from "./packet-fate.ts";

/** In nftables it has a table; with its iptables backend, chains among those of everybody. */
export function isOfFirewalld({ base }: Drop, chains: readonly SeenChain[]): boolean {
  if (base.table === "inet firewalld") return true;
  return chains.some(({ table, name }) => table === base.table && name === `${base.name}_direct`);
}

/** "public": the zone of the chain that drops, such as filter_FWD_public or IN_public. */
export function zoneOf({ chain }: Drop): string | null {
  return /^(?:filter_)?(?:FWD|FWDI|FWDO|IN)_([^_]+)$/.exec(chain.name)?.[1] ?? null;
}

export function trustNetworks(networks: readonly Prefix[]): string {
  const sources = (networks.length > 0 ? networks : ["NETWORK"]).map((network) => `--add-source=${network}`);
  return `firewall-cmd --permanent --zone=trusted ${sources.join(" ")}; firewall-cmd --reload`;
}

export function openPort(port: number, zone: string | null): string {
  return `firewall-cmd --permanent ${zone === null ? "" : `${shellWord(`--zone=${zone}`)} `}--add-port=${port}/udp; firewall-cmd --reload`;
}
