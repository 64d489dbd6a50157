// What `nft -j list ruleset` prints, as far as a check has to understand it. Pure. What is not understood is passed over.

import type { Family } from "../base/ip.ts";
import {
  entriesOf,
  isLoose,
  itemsOf,
  type Loose,
  readNamedSets,
  type SetScope,
  tableOf,
  valuesOf,
} from "./nft-json.ts";
import type { Match, PortRange, SeenChain, SeenMatch, SeenRule, Verdict } from "./packet-fate.ts";
import { readPrefixes } from "./seen-prefixes.ts";

export interface NftChain extends SeenChain {
  readonly isOfIptables: boolean;
}

/** Before all other hooks, or behind them; of both families, whatever the table's. */
export const DEVICE_HOOKS: readonly string[] = ["ingress", "egress"];

/** Its "dev" is a name or several. */
export function isAtDevice(chain: Loose): boolean {
  return DEVICE_HOOKS.includes(String(chain["hook"]));
}

const IPTABLES_TABLES = ["filter", "nat", "mangle", "raw", "security"];

export function readNftChains(ruleset: string | null): readonly NftChain[] {
  const items = itemsOf(ruleset);
  const sets = readNamedSets(items);
  const rules = new Map<string, SeenRule[]>();
  for (const { rule } of items) {
    if (!isLoose(rule)) continue;
    const table = tableOf(rule);
    const name = `${table} ${rule["chain"]}`;
    const before = rules.get(name);
    const read = readRule(rule, { table, sets });
    if (before) before.push(...read);
    else rules.set(name, [...read]);
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
    const devices = isAtDevice(chain) ? { devices: [chain["dev"] ?? []].flat().map(String) } : {};
    return [{ table, name, hook, ...devices, dropsByPolicy, isOfIptables, rules: rules.get(`${table} ${name}`) ?? [] }];
  });
}

/** One for each entry of a verdict map: they exclude each other. */
function readRule(rule: Loose, scope: SetScope): readonly SeenRule[] {
  const parts = Array.isArray(rule["expr"]) ? rule["expr"].filter(isLoose) : [];
  const name = `handle ${rule["handle"]}`;
  const map = parts.find((part) => "vmap" in part);
  const branches = map ? readBranches(map["vmap"], scope) : null;
  if (branches === null) {
    const verdict = parts.map(readVerdict).find((found) => found !== null) ?? CONTINUE;
    return [{ name, isWhole: true, matches: parts.flatMap((part) => readPart(part, scope)), verdict }];
  }
  const others = parts.filter((part) => part !== map).flatMap((part) => readPart(part, scope));
  return branches.map(({ matches, verdict }) => ({
    name,
    isWhole: false,
    matches: [...others, ...matches],
    verdict,
  }));
}

const CONTINUE: Verdict = { kind: "continue" };

/** Who has more writes them by a program, such as kube-proxy, and drops nothing of the overlay's in them. */
const MOST_BRANCHES = 256;

/**
 * {"key": {"payload": ...}, "data": {"set": [[53, {"accept": null}], ["*", {"drop": null}]]}}; null for one that cannot be
 * read.
 */
function readBranches(vmap: unknown, scope: SetScope): readonly Pick<SeenRule, "matches" | "verdict">[] | null {
  const entries = isLoose(vmap) ? entriesOf(vmap["data"], scope) : null;
  if (!isLoose(vmap) || entries === null || entries.length > MOST_BRANCHES) return null;
  const keys = entries.map(([key]) => key).filter((key) => key !== REST);
  return entries.map(([key, verdict]) => ({
    matches: key === REST ? readCompared(vmap["key"], keys, true) : readCompared(vmap["key"], [key], false),
    verdict: (isLoose(verdict) ? readVerdict(verdict) : null) ?? CONTINUE,
  }));
}

/** nft: the entry for whatever none of the others is for. */
const REST = "*";

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

function readPart(part: Loose, scope: SetScope): readonly SeenMatch[] {
  const match = part["match"];
  if (!isLoose(match)) return readStatement(part);
  const { op, left, right } = match;
  const isRead = op === "==" || op === "in" || op === "!=";
  return readCompared(left, isRead ? valuesOf(right, scope) : null, op === "!=");
}

/** `values` null: it is not known with what. */
function readCompared(left: unknown, values: readonly unknown[] | null, negated: boolean): readonly SeenMatch[] {
  const fields = isLoose(left) && Array.isArray(left["concat"]) ? left["concat"] : null;
  if (fields !== null) return readConcat(fields, values, negated);
  return [...impliedByField(left), values === null ? UNKNOWN : { match: readMatch(left, values), negated }];
}

/** Each field is one of its own values; of several elements also the right ones together, which is not followed. */
function readConcat(
  fields: readonly unknown[],
  values: readonly unknown[] | null,
  negated: boolean,
): readonly SeenMatch[] {
  const implied = fields.flatMap(impliedByField);
  const rows = (values ?? []).map((value) => (isLoose(value) ? value["concat"] : null));
  if (negated || values === null || !rows.every(Array.isArray)) return [...implied, UNKNOWN];
  const columns = fields.map((field, index) =>
    readMatch(
      field,
      rows.map((row: readonly unknown[]) => row[index]),
    ),
  );
  const matches = columns.map((match) => ({ match, negated: false }));
  return [...implied, ...matches, ...(rows.length > 1 ? [UNKNOWN] : [])];
}

function impliedByField(field: unknown): readonly SeenMatch[] {
  return isLoose(field) && isLoose(field["payload"]) ? impliedBy(field["payload"]["protocol"]) : [];
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

/** {"payload": {"protocol": "udp", "field": "dport"}}, [8472] */
function readMatch(left: unknown, values: readonly unknown[]): Match {
  if (!isLoose(left)) return UNKNOWN.match;
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

/** A set with a name: ["set" or "map", "inet", "filter", "blocked"]. */
export type SetName = readonly [kind: "set" | "map", family: string, table: string, name: string];

/** Those by which the rules of a listing tell ports and interfaces apart: nobody has many of these, as of addresses. */
export function smallSetsOf(ruleset: string): readonly SetName[] {
  const found = itemsOf(ruleset).flatMap(({ rule }): SetName[] => {
    const parts = isLoose(rule) && Array.isArray(rule["expr"]) ? rule["expr"].filter(isLoose) : [];
    return parts.flatMap(({ match, vmap }) => [
      ...(isLoose(match) ? namedIn(rule, "set", match["left"], match["right"]) : []),
      ...(isLoose(vmap) ? namedIn(rule, "map", vmap["key"], vmap["data"]) : []),
    ]);
  });
  return [...new Map(found.map((set) => [set.join(" "), set])).values()];
}

function namedIn(rule: unknown, kind: SetName[0], field: unknown, set: unknown): readonly SetName[] {
  if (!isLoose(rule) || typeof set !== "string" || !set.startsWith("@")) return [];
  const { kind: what } = readMatch(field, []);
  if (what !== "port" && what !== "interface") return [];
  return [[kind, String(rule["family"]), String(rule["table"]), set.slice(1)]];
}
