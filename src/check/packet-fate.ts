// What becomes of a packet in the chains of a firewall, as far as their rules tell. Pure.
// What is not understood is given the benefit of the doubt: a packet is dropped only where nothing may have accepted it.

import { type Family, familyOf, type Prefix, type Prefix4, prefix4Overlaps, prefixLength } from "../base/ip.ts";
import { type Prefix6, prefix6Overlaps } from "../base/ipv6.ts";

/** A new connection's first packet. */
export interface Packet {
  readonly family: Family;
  readonly iif: Interface;
  readonly oif: Interface;
  /** Where its address is from; null when that is not known. */
  readonly source: Prefix | null;
  readonly destination: Prefix | null;
  /** It may be of any of these: "tcp", "udp". */
  readonly protocols: readonly string[];
  /** That it goes to; null for one that no rule names. */
  readonly port: number | null;
}

/** A name, or one that is not known and is none of these. */
export type Interface = string | { readonly otherThan: readonly string[] };

export type Match =
  | { readonly kind: "interface"; readonly end: "iif" | "oif"; readonly names: readonly string[] }
  | { readonly kind: "address"; readonly end: "source" | "destination"; readonly prefixes: readonly Prefix[] }
  | { readonly kind: "family"; readonly family: Family }
  /** One of these: "tcp", "udp". */
  | { readonly kind: "protocol"; readonly names: readonly string[] }
  /** The one that it goes to; of which protocol is another match. */
  | { readonly kind: "port"; readonly ranges: readonly PortRange[] }
  /** Of the connection: "new", "established". */
  | { readonly kind: "state"; readonly names: readonly string[] }
  | { readonly kind: "unknown" };

export type PortRange = readonly [from: number, to: number];

export type Verdict =
  | { readonly kind: "accept" | "drop" | "return" | "continue" | "unknown" }
  | { readonly kind: "jump" | "goto"; readonly chain: string };

export interface SeenMatch {
  readonly match: Match;
  readonly negated: boolean;
}

export interface SeenRule {
  readonly matches: readonly SeenMatch[];
  readonly verdict: Verdict;
  /** As its tool takes it from a shell: "-A INPUT -j DROP", or the handle in nft. */
  readonly name: string;
  /** False when its tool's rule is several of these, as one with a verdict map. */
  readonly isWhole: boolean;
}

export interface SeenChain {
  /** "filter", "inet filter" */
  readonly table: string;
  readonly name: string;
  /** Null for one that is only jumped to. */
  readonly hook: string | null;
  /** Whose packets come to it; none for all. Of one whose interfaces are not known none is named. */
  readonly devices?: readonly string[];
  readonly dropsByPolicy: boolean;
  readonly rules: readonly SeenRule[];
}

/** Where it ends; the rule is null when it is the chain's policy. */
export interface Drop {
  readonly base: SeenChain;
  readonly chain: SeenChain;
  readonly rule: SeenRule | null;
}

type Fate =
  | { readonly kind: "falls" | "accepted" | "unknown" }
  | { readonly kind: "dropped"; readonly chain: SeenChain; readonly rule: SeenRule };
type Answer = "yes" | "no" | "maybe";

const FALLS: Fate = { kind: "falls" };
const UNKNOWN: Fate = { kind: "unknown" };

/** In one of the chains that a packet meets at the hooks; null when it is dropped for certain in none. */
export function findDrop(chains: readonly SeenChain[], hooks: readonly string[], packet: Packet): Drop | null {
  for (const base of chains) {
    if (base.hook === null || !hooks.includes(base.hook)) continue;
    const fate = fateIn(base, { chains, packet, known: new Map() });
    if (fate.kind === "dropped") return { base, chain: fate.chain, rule: fate.rule };
    if (fate.kind === "falls" && base.dropsByPolicy) return { base, chain: base, rule: null };
  }
  return null;
}

/** The base chains at the hooks and those that lead on from there, each with the rules that the packet may come to. */
export function reachedBy(
  packet: Packet,
  chains: readonly SeenChain[],
  hooks: readonly string[],
): readonly Pick<SeenChain, "table" | "name" | "rules">[] {
  const walk: Walk = { chains, packet, known: new Map() };
  const reached = new Set(chains.filter(({ hook }) => hook !== null && hooks.includes(hook)));
  const met = new Map<SeenChain, readonly SeenRule[]>();
  // A set gives what is added to it on the way, too.
  for (const from of reached) {
    const rules = metRules(from, walk);
    met.set(from, rules);
    const led = new Set(rules.flatMap(({ verdict }) => ("chain" in verdict ? verdict.chain : [])));
    // A verdict map that cannot be read may lead to any.
    const isOpen = rules.some(({ verdict }) => verdict.kind === "unknown");
    for (const chain of chains) {
      if (chain.table === from.table && chain.hook === null && (isOpen || led.has(chain.name))) reached.add(chain);
    }
  }
  return [...met].map(([{ table, name }, rules]) => ({ table, name, rules }));
}

/** Up to the first that ends its way through the chain for certain. */
function metRules(chain: SeenChain, walk: Walk): readonly SeenRule[] {
  const isEnd = (rule: SeenRule) => {
    if (answerOf(rule, walk.packet) !== "yes") return false;
    if (rule.verdict.kind === "return" || rule.verdict.kind === "goto") return true;
    const { kind } = fateBy(rule, chain, walk);
    return kind === "accepted" || kind === "dropped";
  };
  const end = chain.rules.findIndex(isEnd);
  return end === -1 ? chain.rules : chain.rules.slice(0, end + 1);
}

interface Walk {
  readonly chains: readonly SeenChain[];
  readonly packet: Packet;
  /** By chain. A chain that is not left yet is not known: a loop, which the kernel refuses. */
  readonly known: Map<SeenChain, Fate>;
}

function fateIn(chain: SeenChain, walk: Walk): Fate {
  const known = walk.known.get(chain);
  if (known) return known;
  walk.known.set(chain, UNKNOWN);
  const fate = walkRules(chain, walk);
  walk.known.set(chain, fate);
  return fate;
}

function walkRules(chain: SeenChain, walk: Walk): Fate {
  let mayHaveLeft = false;
  for (const rule of chain.rules) {
    const answer = answerOf(rule, walk.packet);
    if (answer === "no") continue;
    const fate = fateBy(rule, chain, walk);
    if (fate.kind !== "falls") {
      const end = endBy(fate, answer === "yes", mayHaveLeft);
      if (end !== null) return end;
    } else if (rule.verdict.kind === "return" || rule.verdict.kind === "goto") {
      if (answer === "yes") return FALLS;
      mayHaveLeft = true;
    }
  }
  return FALLS;
}

/** What a rule that decides makes of the packet, if it is for it; null when the next rule is to be looked at. */
function endBy(fate: Fate, isSure: boolean, mayHaveLeft: boolean): Fate | null {
  if (fate.kind === "dropped") return isSure ? (mayHaveLeft ? FALLS : fate) : null;
  return isSure && !mayHaveLeft ? fate : UNKNOWN;
}

function fateBy(rule: SeenRule, chain: SeenChain, walk: Walk): Fate {
  const { verdict } = rule;
  switch (verdict.kind) {
    case "accept":
      return { kind: "accepted" };
    case "drop":
      return { kind: "dropped", chain, rule };
    case "return":
    case "continue":
      return FALLS;
    case "unknown":
      return UNKNOWN;
    case "jump":
    case "goto": {
      const next = walk.chains.find(({ table, name }) => table === chain.table && name === verdict.chain);
      return next ? fateIn(next, walk) : UNKNOWN;
    }
  }
}

function answerOf({ matches }: SeenRule, packet: Packet): Answer {
  const answers = matches.map(({ match, negated }) => {
    const answer = answerTo(match, packet);
    if (!negated || answer === "maybe") return answer;
    return answer === "yes" ? "no" : "yes";
  });
  if (answers.includes("no")) return "no";
  return answers.includes("maybe") ? "maybe" : "yes";
}

function answerTo(match: Match, packet: Packet): Answer {
  switch (match.kind) {
    case "interface":
      return answerToInterface(packet[match.end], match.names);
    case "address":
      return answerToAddress(packet[match.end], match.prefixes, packet.family);
    case "family":
      return yesOrNo(match.family === packet.family);
    case "protocol":
      return answerToProtocol(packet.protocols, match.names);
    case "port":
      return yesOrNo(packet.port !== null && hasPort(match.ranges, packet.port));
    case "state":
      return yesOrNo(match.names.includes("new"));
    case "unknown":
      return "maybe";
  }
}

export function hasPort(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(([from, to]) => from <= port && port <= to);
}

function yesOrNo(is: boolean): Answer {
  return is ? "yes" : "no";
}

function answerToInterface(own: Interface, patterns: readonly string[]): Answer {
  if (typeof own === "string") return yesOrNo(patterns.some((pattern) => isNamed(own, pattern)));
  return patterns.every((pattern) => own.otherThan.includes(pattern)) ? "no" : "maybe";
}

/** "eth*" is any name that begins so. */
function isNamed(name: string, pattern: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

function answerToProtocol(own: readonly string[], names: readonly string[]): Answer {
  const meeting = own.filter((name) => names.includes(name));
  if (meeting.length === 0) return "no";
  return meeting.length === own.length ? "yes" : "maybe";
}

function answerToAddress(own: Prefix | null, prefixes: readonly Prefix[], family: Family): Answer {
  const same = prefixes.filter((prefix) => familyOf(prefix) === family);
  if (same.length === 0) return "no";
  if (own === null) return same.some((prefix) => prefixLength(prefix) === 0) ? "yes" : "maybe";
  const meeting = same.filter((prefix) => overlaps(prefix, own));
  if (meeting.some((prefix) => prefixLength(prefix) <= prefixLength(own))) return "yes";
  return meeting.length > 0 ? "maybe" : "no";
}

/** Two of one family. */
function overlaps(a: Prefix, b: Prefix): boolean {
  return familyOf(a) === "ipv4"
    ? prefix4Overlaps(a as Prefix4, b as Prefix4)
    : prefix6Overlaps(a as Prefix6, b as Prefix6);
}
