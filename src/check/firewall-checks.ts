// Whether firewall rules let the overlay's packets through: those that are forwarded, and those of the backend's port.

import type { Prefix } from "../base/ip.ts";
import { shellWord } from "../base/paste.ts";
import { byCommand, byHand, type Remedy } from "../base/remedy.ts";
import type { HostFacts, RuleFacts } from "./facts.ts";
import { type Finding, fail, ok, skip, warn } from "./finding.ts";
import { isOfFirewalld, openPort, trustNetworks, zoneOf } from "./firewalld.ts";
import { forwardedPackets, networksOf, portPackets } from "./overlay-packets.ts";
import { type Drop, findDrop, hasPort, type Packet, reachedBy, type SeenChain, type SeenRule } from "./packet-fate.ts";
import { type Keeper, keepersOf, meets } from "./rule-keepers.ts";

interface Obstacle extends Drop {
  readonly keeper: Keeper;
  readonly packet: Packet;
}

/** Where a packet passes that comes from one interface and goes to another. */
const FORWARD_HOOKS = ["ingress", "prerouting", "forward", "postrouting", "egress"];

export function checkForwardRules(facts: HostFacts): Finding {
  const { rules } = facts;
  if (!rules.known) return skip(`firewall rules were not looked at: ${rules.reason}`);
  const packets = forwardedPackets(facts);
  const found = findObstacles(packets, FORWARD_HOOKS, rules.value)[0];
  if (!found) return ok("forwarded packets of the overlay are not dropped here");
  if (isOfFirewalld(found, found.keeper.chains)) {
    const sentence = `firewalld rejects forwarded packets of the overlay${inZone(found)}, whatever flanneld's own rules accept`;
    const networks = networksOf(facts);
    return fail(sentence, filledIn(trustNetworks(networks), networks[0]));
  }
  return found.keeper.tool === "nft" ? nftDrop(found) : iptablesDrop(found);
}

function nftDrop({ base, chain, rule, packet }: Obstacle): Finding {
  const ip = packet.family === "ipv4" ? "ip" : "ip6";
  // Behind the last rule, or before the one that drops.
  const place = `nft ${rule === null ? "add" : "insert"} rule ${wordsOf(base)} ${ip}`;
  const network = packet.source ?? "NETWORK";
  return fail(
    `the nftables chain ${chain.table} ${chain.name} drops what is forwarded and accepts nothing of the overlay; rules in other tables do not help`,
    filledIn(`${place} saddr ${network} accept; ${place} daddr ${network} accept`, packet.source),
  );
}

/** As long as the network is not known, the command has NETWORK in its place. */
function filledIn(command: string, network: Prefix | null | undefined): Remedy {
  return network ? byCommand(command) : byHand(`with the network in place of NETWORK: ${command}`);
}

function iptablesDrop({ keeper: { tool }, base, rule, packet: { source } }: Obstacle): Finding {
  const table = base.table === "filter" ? tool : `${tool} -t ${base.table}`;
  const place = `${table} ${rule === null ? "-A" : "-I"} ${base.name}`;
  const accept = `${place} -s ${source ?? "NETWORK"} -j ACCEPT; ${place} -d ${source ?? "NETWORK"} -j ACCEPT`;
  if (rule !== null)
    return fail(
      `a rule drops forwarded packets of the overlay: ${tool} -t ${base.table} ${rule.name}`,
      filledIn(accept, source),
    );
  // The other kind of iptables on this host has rules of its own, beside which those in this one do not help.
  const isOurs = base.table === "filter" && base.hook === "forward" && /^ip6?tables$/.test(tool);
  const own = isOurs ? " (flanneld adds its own while it runs, unless --iptables-forward-rules=false)" : "";
  return fail(
    `the policy of ${base.name} is DROP in ${tool}, and no rule accepts the overlay's packets${own}`,
    byCommand(source === null ? `${table} -P ${base.name} ACCEPT` : accept),
  );
}

/** Where a datagram from another host passes, and one to it. */
const PORT_HOOKS = ["ingress", "prerouting", "input", "output", "postrouting", "egress"];

export function checkInputRules(facts: HostFacts): Finding {
  const { rules, backends, isBackendKnown } = facts;
  if (!rules.known) return skip(`firewall rules were not looked at: ${rules.reason}`);
  for (const { backend, port } of backends) {
    if (port === null) continue;
    const all = findObstacles(portPackets(facts, backend, port), PORT_HOOKS, rules.value);
    // As long as the backend is not known, a port that nobody opens may not be needed.
    const found = all.find(namesPort) ?? (isBackendKnown ? all[0] : undefined);
    if (found) return closedPort(port, found);
    const partial = findPartialDrop(port, rules.value, portPackets(facts, backend, port));
    if (partial)
      return warn(
        `UDP port ${port}, by which the overlay's packets come, is dropped here for some packets: ${placeOf(partial)}`,
        judgeByHand(partial),
      );
  }
  const ports = backends.flatMap(({ port }) => port ?? []);
  if (ports.length === 0) return ok("the backend needs no port");
  return ok(`no rule here drops UDP port ${ports.join(" or ")}`);
}

function namesPort({ rule }: Obstacle): boolean {
  return rule?.matches.some(({ match, negated }) => match.kind === "port" && !negated) ?? false;
}

function closedPort(port: number, found: Obstacle): Finding {
  const what = `UDP port ${port}, by which the overlay's packets come,`;
  const { keeper, base, rule } = found;
  if (rule !== null && namesPort(found)) {
    const named = { tool: keeper.tool, chain: found.chain, rule };
    return fail(`${what} is dropped here: ${placeOf(named)}`, byCommand(removal(named, port)));
  }
  if (isOfFirewalld(found, keeper.chains))
    return fail(
      `${what} is not let in: firewalld rejects it${inZone(found)}`,
      byCommand(openPort(port, zoneOf(found))),
    );
  return fail(`${what} is not let in: ${describe(found)}`, byCommand(admission(keeper.tool, base, port)));
}

/** Before all rules of the chain. */
function admission(tool: string, chain: ChainName, port: number): string {
  return tool === "nft"
    ? `nft insert rule ${wordsOf(chain)} udp dport ${port} accept`
    : `${tool} -t ${chain.table} -I ${shellWord(chain.name)} -p udp --dport ${port} -j ACCEPT`;
}

type ChainName = Pick<SeenChain, "table" | "name">;

/** "inet filter input", as nft takes it from a shell. */
function wordsOf({ table, name }: ChainName): string {
  return [...table.split(" "), name].map(shellWord).join(" ");
}

interface NamedRule {
  readonly tool: string;
  readonly chain: ChainName;
  readonly rule: SeenRule;
}

function placeOf({ tool, chain, rule }: NamedRule): string {
  return tool === "nft" ? `nftables ${chain.table} ${chain.name}` : `${tool} -t ${chain.table} ${rule.name}`;
}

/** A rule that is for other ports as well stays. */
function removal({ tool, chain, rule }: NamedRule, port: number): string {
  const isAlone = ({ match }: SeenRule["matches"][number]) =>
    match.kind !== "port" || match.ranges.every(([from, to]) => from === port && to === port);
  if (!rule.isWhole || !rule.matches.every(isAlone)) return admission(tool, chain, port);
  if (tool === "nft") return `nft delete rule ${wordsOf(chain)} ${rule.name}`;
  return `${tool} -t ${chain.table} ${rule.name.replace(/^-A /, "-D ")}`;
}

/** Taken away, it might let everybody in. */
function judgeByHand({ tool, chain, rule }: NamedRule): Remedy {
  const which = tool === "nft" ? `${rule.name} there (nft -a list chain ${wordsOf(chain)})` : "that rule";
  return byHand(
    `see whether ${which} keeps hosts of the overlay out, and let those in before it; if it keeps only others out, it is right`,
  );
}

/** Who lets the overlay's port be reached by its hosts alone has such a rule, and is right. */
function findPartialDrop(port: number, rules: RuleFacts, packets: readonly Packet[]): NamedRule | null {
  for (const keeper of keepersOf(rules)) {
    for (const packet of packets) {
      const chains = keeper.chains.filter((chain) => meets(packet, chain, keeper));
      for (const chain of reachedBy(packet, chains, PORT_HOOKS)) {
        const rule = chain.rules.find(({ verdict, matches }) => verdict.kind === "drop" && isForPort(matches, port));
        if (rule) return { tool: keeper.tool, chain, rule };
      }
    }
  }
  return null;
}

function isForPort(matches: SeenRule["matches"], port: number): boolean {
  const isUdp = matches.every(
    ({ match, negated }) => match.kind !== "protocol" || match.names.includes("udp") !== negated,
  );
  return (
    isUdp && matches.some(({ match, negated }) => match.kind === "port" && !negated && hasPort(match.ranges, port))
  );
}

function describe({ keeper: { tool }, base, chain, rule }: Obstacle): string {
  if (tool === "nft" && rule === null) return `the policy of the nftables chain ${base.table} ${base.name} is drop`;
  if (tool === "nft") return `the nftables chain ${chain.table} ${chain.name} drops all that it does not know`;
  if (rule === null) return `the policy of ${base.name} is DROP in ${tool}`;
  return `a rule drops all that came so far: ${tool} -t ${base.table} ${rule.name}`;
}

function inZone(drop: Drop): string {
  const zone = zoneOf(drop);
  return zone === null ? "" : ` in its zone ${zone}`;
}

function findObstacles(packets: readonly Packet[], hooks: readonly string[], rules: RuleFacts): readonly Obstacle[] {
  const keepers = keepersOf(rules);
  return packets.flatMap((packet) =>
    keepers.flatMap((keeper) => {
      const chains = keeper.chains.filter((chain) => meets(packet, chain, keeper));
      const drop = findDrop(chains, hooks, packet);
      return drop === null ? [] : [{ ...drop, keeper, packet }];
    }),
  );
}
