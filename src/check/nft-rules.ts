// What `nft -j list ruleset` prints, as far as a check has to understand it. Pure. What is not understood is passed over.

import type { Family } from "../base/ip.ts";
import type { Match, PortRange, SeenChain, SeenMatch, SeenRule, Verdict } from "./packet-fate.ts";
import { readPrefixes } from "./seen-prefixes.ts";

export interface NftChain extends SeenChain {
  readonly isOfIptables: boolean;
}

type Loose = { readonly [name: string]: unknown };

const IPTABLES_TABLES = ["filter", "nat", "mangle", "raw", "security"];

export function readNftChains(ruleset: string | null): readonly NftChain[] {
  const items = itemsOf(ruleset);
  const rules = new Map<string, SeenRule[]>();
  for (const { rule } of items) {
    if (!isLoose(rule)) continue;
    const name = `${tableOf(rule)} ${rule["chain"]}`;
    const before = rules.get(name);
    if (before) before.push(readRule(rule));
    else rules.set(name, [readRule(rule)]);
  }
  return items.flatMap(({ chain }) => {
    if (!isLoose(chain)) return [];
    const [table, name] = [tableOf(chain), String(chain["name"])];
    // Those of NAT only choose addresses: an accept there is no leave to pass.
    const hook = typeof chain["hook"] === "string" && chain["type"] !== "nat" ? chain["hook"] : null;
    const isOfIptables =
      (chain["family"] === "ip" || chain["family"] === "ip6") &&
      IPTABLES_TABLES.includes(String(chain["table"])) &&
      (chain["hook"] === undefined || /^[A-Z]+$/.test(name));
    const dropsByPolicy = chain["policy"] === "drop";
    return [{ table, name, hook, dropsByPolicy, isOfIptables, rules: rules.get(`${table} ${name}`) ?? [] }];
  });
}

/** Family and table: "inet filter". */
function tableOf(item: Loose): string {
  return `${item["family"]} ${item["table"]}`;
}

/** Several of them as one. */
export function joinRulesets(rulesets: readonly string[]): string {
  return JSON.stringify({ nftables: rulesets.flatMap(itemsOf) });
}

function itemsOf(ruleset: string | null): readonly Loose[] {
  try {
    const parsed: unknown = JSON.parse(ruleset ?? "{}");
    const items = isLoose(parsed) ? parsed["nftables"] : null;
    return Array.isArray(items) ? items.filter(isLoose) : [];
  } catch {
    return [];
  }
}

function readRule(rule: Loose): SeenRule {
  const parts = Array.isArray(rule["expr"]) ? rule["expr"].filter(isLoose) : [];
  return {
    name: `handle ${rule["handle"]}`,
    matches: parts.flatMap((part) => readPart(part)),
    verdict: parts.map(readVerdict).find((verdict) => verdict !== null) ?? { kind: "continue" },
  };
}

function readVerdict(part: Loose): Verdict | null {
  if ("accept" in part) return { kind: "accept" };
  if ("drop" in part || "reject" in part) return { kind: "drop" };
  if ("return" in part) return { kind: "return" };
  for (const kind of ["jump", "goto"] as const) {
    const to = part[kind];
    if (isLoose(to)) return { kind, chain: String(to["target"]) };
  }
  // A verdict map, a queue: it may be any.
  return "vmap" in part || "queue" in part ? { kind: "unknown" } : null;
}

/** Statements that a packet passes whatever it is are none; one that we do not know may be for some packets only. */
const FOR_ALL = [
  "accept",
  "drop",
  "reject",
  "return",
  "jump",
  "goto",
  "counter",
  "log",
  "comment",
  "mangle",
  "notrack",
];

function readPart(part: Loose): readonly SeenMatch[] {
  const match = part["match"];
  if (!isLoose(match)) return readStatement(part);
  const { op, left, right } = match;
  const isRead = op === "==" || op === "in" || op === "!=";
  const value = isRead ? { match: readMatch(left, right), negated: op === "!=" } : UNKNOWN;
  return isLoose(left) && isLoose(left["payload"]) ? [...impliedBy(left["payload"]["protocol"]), value] : [value];
}

function readStatement(part: Loose): readonly SeenMatch[] {
  if (!Object.keys(part).every((name) => FOR_ALL.includes(name))) return [UNKNOWN];
  const reject = part["reject"];
  if (!isLoose(reject)) return [];
  // By the protocol of its answer. That of "icmpx" has both families.
  if (reject["type"] === "icmp") return impliedBy("ip");
  if (reject["type"] === "icmpv6") return impliedBy("ip6");
  return reject["type"] === "tcp reset" ? impliedBy("tcp") : [];
}

/** Those whose headers have fields to match. */
const TRANSPORTS = ["ah", "comp", "dccp", "esp", "icmp", "icmpv6", "igmp", "sctp", "tcp", "udp", "udplite"];

/**
 * What a packet must be to have the header at all. nft does not print it beside a match of the header's fields, and a
 * negation is not of it: "tcp dport != 22" is of TCP alone.
 */
function impliedBy(header: unknown): readonly SeenMatch[] {
  if (header === "ip") return [{ match: { kind: "family", family: "ipv4" }, negated: false }];
  if (header === "ip6") return [{ match: { kind: "family", family: "ipv6" }, negated: false }];
  if (typeof header !== "string" || !TRANSPORTS.includes(header)) return [];
  return [{ match: { kind: "protocol", names: [header] }, negated: false }];
}

const UNKNOWN = { match: { kind: "unknown" }, negated: false } as const;

/** {"payload": {"protocol": "udp", "field": "dport"}}, 8472 */
function readMatch(left: unknown, right: unknown): Match {
  const values = valuesOf(right);
  if (!isLoose(left) || values === null) return UNKNOWN.match;
  const { meta, ct, payload } = left;
  if (isLoose(meta)) return readMeta(String(meta["key"]), values);
  if (isLoose(ct) && ct["key"] === "state") return { kind: "state", names: values.map(String) };
  // The first packet of a connection has none of these.
  if (isLoose(ct) && ct["key"] === "status" && values.every((value) => typeof value === "string"))
    return { kind: "state", names: values.map(String) };
  if (isLoose(payload)) return readPayload(String(payload["protocol"]), String(payload["field"]), values);
  return UNKNOWN.match;
}

function readMeta(key: string, values: readonly unknown[]): Match {
  if (key === "iifname" || key === "iif") return { kind: "interface", end: "iif", names: values.map(String) };
  if (key === "oifname" || key === "oif") return { kind: "interface", end: "oif", names: values.map(String) };
  if (key === "l4proto") return readProtocols(values);
  const family = key === "nfproto" || key === "protocol" ? familyNamed(values) : null;
  return family === null ? UNKNOWN.match : { kind: "family", family };
}

function familyNamed([name, ...more]: readonly unknown[]): Family | null {
  if (more.length > 0) return null;
  if (name === "ipv4" || name === "ip") return "ipv4";
  return name === "ipv6" || name === "ip6" ? "ipv6" : null;
}

function readPayload(protocol: string, field: string, values: readonly unknown[]): Match {
  const isIp = protocol === "ip" || protocol === "ip6";
  if (isIp && field === "saddr") return readAddresses("source", values);
  if (isIp && field === "daddr") return readAddresses("destination", values);
  if (isIp && field === "protocol") return readProtocols(values);
  return field === "dport" ? readPorts(values) : UNKNOWN.match;
}

/** Without /etc/protocols, as in a small container, nft prints their numbers. */
const NUMBERED: Readonly<Record<string, string>> = { "6": "tcp", "17": "udp" };

function readProtocols(values: readonly unknown[]): Match {
  if (values.some((value) => typeof value === "object")) return UNKNOWN.match;
  return { kind: "protocol", names: values.map(String).map((name) => NUMBERED[name] ?? name) };
}

function readAddresses(end: "source" | "destination", values: readonly unknown[]): Match {
  const prefixes = readPrefixes(values.map(prefixText));
  return prefixes === null ? UNKNOWN.match : { kind: "address", end, prefixes };
}

function readPorts(values: readonly unknown[]): Match {
  const ranges = values.map(rangeOf).filter((range) => range !== null);
  return ranges.length === values.length ? { kind: "port", ranges } : UNKNOWN.match;
}

/** Null for those that are not written there: a set with a name. */
function valuesOf(right: unknown): readonly unknown[] | null {
  if (typeof right === "string") return right.startsWith("@") ? null : [right];
  if (typeof right === "number") return [right];
  if (Array.isArray(right)) return right;
  if (!isLoose(right)) return null;
  return Array.isArray(right["set"]) ? right["set"] : [right];
}

/** "10.5.0.0/16" of {"prefix": {"addr": "10.5.0.0", "len": 16}} */
function prefixText(value: unknown): string | null {
  if (typeof value === "string") return value;
  const prefix = isLoose(value) ? value["prefix"] : null;
  return isLoose(prefix) ? `${prefix["addr"]}/${prefix["len"]}` : null;
}

function rangeOf(value: unknown): PortRange | null {
  if (typeof value === "number") return [value, value];
  const range = isLoose(value) ? value["range"] : null;
  return Array.isArray(range) ? [Number(range[0]), Number(range[1])] : null;
}

function isLoose(value: unknown): value is Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
