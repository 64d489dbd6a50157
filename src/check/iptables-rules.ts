// What iptables-save prints, as far as a check has to understand it. Pure.

import { shellWord } from "../base/paste.ts";
import type { Match, PortRange, SeenChain, SeenMatch, SeenRule, Verdict } from "./packet-fate.ts";
import { readPrefixes } from "./seen-prefixes.ts";

/** Those of NAT are left out: an accept there is no leave to pass. */
export function readIptablesChains(saved: string): readonly SeenChain[] {
  return saved.split(/^(?=\*)/m).flatMap((section) => {
    const [first = "", ...lines] = section.split("\n");
    const table = first.slice(1);
    return first.startsWith("*") && table !== "nat" ? readTable(table, lines) : [];
  });
}

function readTable(table: string, lines: readonly string[]): readonly SeenChain[] {
  const policies = readPolicies(lines);
  const rules = new Map<string, SeenRule[]>(Array.from(policies.keys(), (name) => [name, []]));
  for (const line of lines) {
    if (line.startsWith("-A ")) rules.get(chainOf(line))?.push(readRule(line, policies));
  }
  return Array.from(policies, ([name, policy]) => ({
    table,
    name,
    // Of a chain of a user's it is "-".
    hook: policy === "-" ? null : name.toLowerCase(),
    dropsByPolicy: policy === "DROP",
    rules: rules.get(name) ?? [],
  }));
}

const BUILT_IN = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/** By chain; one that has rules and no line of its own has none. */
function readPolicies(lines: readonly string[]): ReadonlyMap<string, string> {
  const policies = new Map<string, string>();
  for (const line of lines) {
    const [, name, policy = ""] = /^:(\S+) (\S+)/.exec(line) ?? [];
    if (name !== undefined) policies.set(name, policy);
    const chain = line.startsWith("-A ") ? chainOf(line) : "";
    if (chain !== "" && !policies.has(chain)) policies.set(chain, BUILT_IN.includes(chain) ? "ACCEPT" : "-");
  }
  return policies;
}

/** "INPUT" of "-A INPUT -j DROP" */
function chainOf(line: string): string {
  return line.split(" ", 2)[1] ?? "";
}

function readRule(line: string, chains: ReadonlyMap<string, string>): SeenRule {
  const all = line.match(/"(?:[^"\\]|\\.)*"|\S+/gs) ?? [];
  const name = all.map((word) => shellWord(unquote(word))).join(" ");
  const words = all.slice(2);
  const matches: SeenMatch[] = [];
  let negated = false;
  for (let at = 0; at < words.length; at += 1) {
    const [option = "", argument = ""] = words.slice(at);
    // What follows belongs to the target.
    if (option === "-j" || option === "-g")
      return { name, isWhole: true, matches, verdict: readVerdict(option, argument, chains) };
    if (option === "!") {
      negated = true;
      continue;
    }
    const match = readOption(option, unquote(argument));
    if (match !== null) matches.push({ match, negated });
    negated = false;
    // Of an option that we do not know, what is no option is an argument. A comment may look like one.
    if (option === "--comment" || !/^(!|-.*)$/.test(argument)) at += 1;
  }
  return { name, isWhole: true, matches, verdict: { kind: "continue" } };
}

/** iptables: a text with other characters than letters, digits, _ and - is in double quotes, with \ before ", ' and \. */
function unquote(word: string): string {
  return /^".*"$/s.test(word) ? word.slice(1, -1).replaceAll(/\\(.)/gs, "$1") : word;
}

/** Those that say nothing about packets by themselves. */
const MODULES = ["comment", "conntrack", "multiport", "state", "tcp", "udp"];

function readOption(option: string, argument: string): Match | null {
  switch (option) {
    case "-i":
    case "-o":
      return { kind: "interface", end: option === "-i" ? "iif" : "oif", names: [argument.replace(/\+$/, "*")] };
    case "-s":
    case "-d": {
      const prefixes = readPrefixes([argument]);
      return prefixes === null
        ? { kind: "unknown" }
        : { kind: "address", end: option === "-s" ? "source" : "destination", prefixes };
    }
    case "-p":
      return { kind: "protocol", names: [argument] };
    case "--dport":
    case "--dports":
      return { kind: "port", ranges: argument.split(",").map(rangeOf) };
    case "--ctstate":
    case "--state":
      return { kind: "state", names: argument.toLowerCase().split(",") };
    case "--comment":
      return null;
    case "-m":
      return MODULES.includes(argument) ? null : { kind: "unknown" };
    default:
      return { kind: "unknown" };
  }
}

/** "8000:9000" */
function rangeOf(part: string): PortRange {
  const [from = Number.NaN, to = from] = part.split(":").map(Number);
  return [from, to];
}

/** Targets after which the next rule is looked at. */
const GOES_ON = ["LOG", "NFLOG", "MARK", "CONNMARK", "CT", "NOTRACK", "TCPMSS", "TRACE", "CHECKSUM", "DSCP", "TOS"];

function readVerdict(option: "-j" | "-g", target: string, chains: ReadonlyMap<string, string>): Verdict {
  if (chains.has(target)) return { kind: option === "-g" ? "goto" : "jump", chain: target };
  if (target === "ACCEPT") return { kind: "accept" };
  if (target === "DROP" || target === "REJECT") return { kind: "drop" };
  if (target === "RETURN") return { kind: "return" };
  return { kind: GOES_ON.includes(target) ? "continue" : "unknown" };
}
