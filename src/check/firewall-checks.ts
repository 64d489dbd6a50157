// Whether firewall rules let the overlay's packets through: those that are forwarded, and those of the backend's port.

import type { Family, Prefix } from "../base/ip.ts";
import type { HostFacts, RuleFacts } from "./facts.ts";
import { type Finding, fail, ok, skip, warn } from "./finding.ts";
import { findIptablesDrop, type IptablesChain, readFilterChain } from "./iptables-rules.ts";
import { type NftChain, type NftRule, readNftChains } from "./nft-rules.ts";

export function checkForwardRules({ rules: all, network, network6, families }: HostFacts): Finding {
  if (!all.known) return skip(`firewall rules were not looked at: ${all.reason}`);
  const rules = rulesFor(families, all.value);
  const prefix = network.known ? network.value.network : (network6?.network ?? null);
  const ip = network.known || network6 === null ? "ip" : "ip6";
  for (const [tool, chain] of chainsOf(rules, "FORWARD")) {
    if (chain.policy !== "DROP" || acceptsForwarded(chain, prefix)) continue;
    const remedy = prefix
      ? `${tool} -A FORWARD -s ${prefix} -j ACCEPT; ${tool} -A FORWARD -d ${prefix} -j ACCEPT`
      : `${tool} -P FORWARD ACCEPT`;
    return fail(
      `the policy of FORWARD is DROP in ${tool}, and no rule accepts the overlay's packets (flanneld adds its own while it runs, unless --iptables-forward-rules=false)`,
      remedy,
    );
  }
  const shut = nftChainsOf(rules).find(
    (chain) => chain.hook === "forward" && chain.policy === "drop" && !acceptsNft(chain, prefix),
  );
  if (shut) {
    const remedy = `nft add rule ${shut.table} ${shut.name} ${ip} saddr ${prefix ?? "NETWORK"} accept; nft add rule ${shut.table} ${shut.name} ${ip} daddr ${prefix ?? "NETWORK"} accept`;
    return fail(
      `the nftables chain ${shut.table} ${shut.name} drops what is forwarded and accepts nothing of the overlay; rules in other tables do not help`,
      remedy,
    );
  }
  return ok("forwarded packets of the overlay are not dropped by a policy");
}

/** By our own chain, by a rule for the network, or by one for everything. */
function acceptsForwarded({ rules }: IptablesChain, network: Prefix | null): boolean {
  return rules.some(
    (rule) =>
      /-j FLANNEL-FWD\b/.test(rule) ||
      /^-A FORWARD (-m comment --comment ("[^"]*"|\S+) )?-j ACCEPT$/.test(rule) ||
      (network !== null && rule.includes(` ${network} `) && / -j ACCEPT$/.test(rule)),
  );
}

function acceptsNft({ rules }: NftChain, network: Prefix | null): boolean {
  const [address = ""] = network?.split("/") ?? [];
  return rules.some(
    ({ verdict, text, isUnconditional }) =>
      verdict === "accept" &&
      (isUnconditional || (network !== null && text.includes(`"${address}"`)) || text.includes("flannel")),
  );
}

export function checkInputRules({ rules: all, backends, isBackendKnown, families }: HostFacts): Finding {
  if (!all.known) return skip(`firewall rules were not looked at: ${all.reason}`);
  const rules = rulesFor(families, all.value);
  const ports = backends.flatMap(({ port }) => (port === null ? [] : [port]));
  for (const port of ports) {
    const found = findPortDrop(port, rules);
    if (found) {
      // Who lets the overlay's port be reached by its hosts alone has such a rule, and is right.
      const drops = found.isWhole ? "is dropped here" : "is dropped here for some packets";
      const sentence = `UDP port ${port}, by which the overlay's packets come, ${drops}: ${found.where}`;
      return (found.isWhole ? fail : warn)(sentence, found.remedy);
    }
    // As long as the backend is not known, a port that nobody opens may not be needed.
    const closed = isBackendKnown ? findClosedPort(port, rules) : null;
    if (closed)
      return fail(
        `UDP port ${port}, by which the overlay's packets come, is not let in: ${closed.where}`,
        closed.remedy,
      );
  }
  if (ports.length === 0) return ok("the backend needs no port");
  return ok(`no rule here drops UDP port ${ports.join(" or ")}`);
}

interface Obstacle {
  readonly where: string;
  readonly remedy: string;
}

/** `isWhole`: no other condition, and no rule before it that lets some packets to the port through. */
interface PortDrop extends Obstacle {
  readonly isWhole: boolean;
}

/** The first that is whole, or else the first. */
function findPortDrop(port: number, rules: SeenRules): PortDrop | null {
  const found = [...iptablesDrops(port, rules), ...nftDrops(port, rules)];
  return found.find(({ isWhole }) => isWhole) ?? found[0] ?? null;
}

function iptablesDrops(port: number, { iptables }: SeenRules): readonly PortDrop[] {
  return Object.entries(iptables).flatMap(([tool, text]) => {
    const drop = findIptablesDrop(text, port);
    if (drop === null) return [];
    const { rule, isWhole } = drop;
    return [{ where: `${tool} ${rule}`, remedy: `${tool} ${rule.replace(/-A /, "-D ")}`, isWhole }];
  });
}

function nftDrops(port: number, rules: SeenRules): readonly PortDrop[] {
  return nftChainsOf(rules).flatMap((chain) => {
    const isFor = ({ ports }: NftRule) => opens(ports, port);
    const at = chain.rules.findIndex((rule) => rule.verdict === "drop" && isFor(rule));
    const rule = chain.rules[at];
    if (!rule) return [];
    const isLetIn = chain.rules.slice(0, at).some((before) => before.verdict === "accept" && isFor(before));
    const where = `nftables ${chain.table} ${chain.name}`;
    const remedy = `nft delete rule ${chain.table} ${chain.name} handle ${rule.handle}`;
    return [{ where, remedy, isWhole: rule.matches === 1 && !isLetIn }];
  });
}

/** A policy of DROP for what comes in, without a rule that opens the port, or everything of some kind that may hold it. */
function findClosedPort(port: number, rules: SeenRules): Obstacle | null {
  for (const [tool, chain] of chainsOf(rules, "INPUT")) {
    if (chain.policy !== "DROP" || chain.rules.some((rule) => mayOpen(rule, port))) continue;
    return {
      where: `the policy of INPUT is DROP in ${tool}`,
      remedy: `${tool} -I INPUT -p udp --dport ${port} -j ACCEPT`,
    };
  }
  for (const chain of nftChainsOf(rules)) {
    if (chain.hook !== "input" || chain.policy !== "drop") continue;
    if (
      chain.rules.some(
        (rule) => rule.verdict !== "drop" && (rule.isUnconditional || rule.isJump || opens(rule.ports, port)),
      )
    )
      continue;
    const remedy = `nft insert rule ${chain.table} ${chain.name} udp dport ${port} accept`;
    return { where: `the policy of the nftables chain ${chain.table} ${chain.name} is drop`, remedy };
  }
  return null;
}

/** Chains that are jumped to are not followed: what they do is given the benefit of the doubt. */
function mayOpen(rule: string, port: number): boolean {
  if (/-m state|-m conntrack|-i lo\b|-p (icmp|tcp)\b/.test(rule)) return false;
  if (/ -j (DROP|REJECT|LOG|RETURN)\b/.test(rule)) return false;
  const dport = /--dports? (\S+)/.exec(rule)?.[1];
  if (dport === undefined) return true;
  return dport.split(",").some((part) => {
    const [from = 0, to = from] = part.split(":").map(Number);
    return from <= port && port <= to;
  });
}

function opens(ports: readonly (readonly [number, number])[], port: number): boolean {
  return ports.some(([from, to]) => from <= port && port <= to);
}

function chainsOf({ iptables }: RuleFacts, name: string): readonly (readonly [string, IptablesChain])[] {
  return Object.entries(iptables).flatMap(([tool, text]) => {
    const chain = readFilterChain(text, name);
    return chain ? [[tool, chain] as const] : [];
  });
}

/** Tables that iptables-nft has made are read with iptables-save. */
function nftChainsOf({ nftables, iptables, hasIpv4 }: SeenRules): readonly NftChain[] {
  const isIptables = Object.keys(iptables).length > 0;
  return readNftChains(nftables)
    .filter(({ isOfIptables }) => !(isIptables && isOfIptables))
    .filter(({ table }) => hasIpv4 || !table.startsWith("ip "));
}

interface SeenRules extends RuleFacts {
  readonly hasIpv4: boolean;
}

/** What iptables and the tables of IPv4 say is nothing to a network without it. */
function rulesFor(families: readonly Family[], { iptables, nftables }: RuleFacts): SeenRules {
  const hasIpv4 = families.includes("ipv4");
  return { iptables: hasIpv4 ? iptables : {}, nftables, hasIpv4 };
}
