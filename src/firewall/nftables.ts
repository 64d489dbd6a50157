// The JSON of `nft -j list table` and what is to be -> the input of `nft -f -`. Pure.
// Table, chains and comments are the Go daemon's, so that either daemon takes over from the other. The table is replaced
// as a whole in one transaction: a packet meets the old rules or the new ones.

import type { Family, Prefix } from "../base/ip.ts";
import type { Json } from "../base/json.ts";
import { type AddressMatch, namedPrefixes, type PresentRule, type Rule, type RuleSet, type Verdict } from "./rule.ts";
import { type ChainChange, type IsOurs, settleChain } from "./settle-chain.ts";

interface Chain {
  readonly name: string;
  readonly type: "filter" | "nat";
  readonly hook: "forward" | "postrouting";
  readonly priority: number;
  readonly comment: string;
  readonly rules: keyof RuleSet;
}

const CHAINS: readonly Chain[] = [
  {
    name: "forward",
    type: "filter",
    hook: "forward",
    priority: 0,
    comment: "chain to accept flannel traffic",
    rules: "forward",
  },
  {
    name: "postrtg",
    type: "nat",
    hook: "postrouting",
    priority: 100,
    comment: "chain to manage traffic masquerading by flannel",
    rules: "masquerade",
  },
];

/** The family's name in nft, and our table's. */
export const NFT_FAMILY: Readonly<Record<Family, "ip" | "ip6">> = { ipv4: "ip", ipv6: "ip6" };

export function nftTable(family: Family): string {
  return `flannel-${family}`;
}

export function isOurTable(name: string): boolean {
  return name === nftTable("ipv4") || name === nftTable("ipv6");
}

/** `listed` is the JSON, or null when there is no such table. Returns the input of nft; empty when all is as it should be. */
export function diffNftables(listed: string | null, family: Family, want: RuleSet, isOurs: IsOurs): string {
  const table = listed === null ? null : parseListed(listed);
  const changes = CHAINS.map((chain): readonly [Chain, ChainChange, readonly PresentRule[]] => {
    const present = table?.chains.get(chain.name);
    return [chain, settleChain(want[chain.rules], present?.rules ?? null, isOurs), present?.rules ?? []];
  });
  const sound = changes.every(([chain]) => table?.chains.get(chain.name)?.base !== false);
  if (!table?.strange && sound && changes.every(([, { kind }]) => kind === "none")) return "";
  const chains = changes.flatMap(([chain, change, present]) => {
    const rules = change.kind === "none" ? present.flatMap(({ text }) => (text === null ? [] : [text])) : [];
    const set = change.kind === "set" ? change.rules : rules;
    return set.length === 0 ? [] : [formatChain(chain, set, family)];
  });
  return formatTable(family, chains);
}

/** What nft is given to replace the family's table by one with these rules only. */
export function formatNftables(family: Family, want: RuleSet): string {
  const wanted = CHAINS.filter(({ rules }) => want[rules].length > 0);
  return formatTable(
    family,
    wanted.map((chain) => formatChain(chain, want[chain.rules], family)),
  );
}

/** The first line makes sure that the second has something to delete. */
function formatTable(family: Family, chains: readonly string[]): string {
  const name = `${NFT_FAMILY[family]} ${nftTable(family)}`;
  const remove = [`add table ${name}`, `delete table ${name}`];
  if (chains.length === 0) return [...remove, ""].join("\n");
  return [...remove, `table ${name} {`, `\tcomment "rules for ${nftTable(family)}"`, ...chains, "}", ""].join("\n");
}

function formatChain(chain: Chain, rules: readonly (Rule | string)[], family: Family): string {
  const { name, type, hook, priority, comment } = chain;
  return [
    `\tchain ${name} {`,
    `\t\tcomment "${comment}"`,
    `\t\ttype ${type} hook ${hook} priority ${priority}; policy accept;`,
    ...rules.map((rule) => `\t\t${typeof rule === "string" ? rule : formatRule(rule, family)}`),
    "\t}",
  ].join("\n");
}

const VERDICTS: Readonly<Record<Verdict, string>> = {
  accept: "accept",
  return: "return",
  masquerade: "masquerade",
  "masquerade-random": "masquerade fully-random",
};

function formatRule({ mark, source, destination, verdict }: Rule, family: Family): string {
  const bits = mark === null ? null : `0x${mark.toString(16)}`;
  const match = (field: string, address: AddressMatch | null) =>
    address === null ? [] : [`${NFT_FAMILY[family]} ${field} ${address.negated ? "!= " : ""}${address.prefix}`];
  return [
    ...(bits === null ? [] : [`meta mark & ${bits} == ${bits}`]),
    ...match("saddr", source),
    ...match("daddr", destination),
    VERDICTS[verdict],
  ].join(" ");
}

interface ListedChain {
  /** Whether it hangs where ours do. */
  readonly base: boolean;
  readonly rules: PresentRule[];
}

interface ListedTable {
  readonly chains: ReadonlyMap<string, ListedChain>;
  /** It holds something that we never make. */
  readonly strange: boolean;
}

type JsonRecord = { readonly [key: string]: Json };

function parseListed(text: string): ListedTable {
  const { nftables } = JSON.parse(text) as { readonly nftables?: Json };
  const chains = new Map<string, ListedChain>();
  let strange = false;
  for (const item of Array.isArray(nftables) ? nftables : []) {
    const [kind = "", value] = Object.entries(recordOf(item))[0] ?? [];
    const body = recordOf(value);
    if (kind === "chain") {
      const ours = CHAINS.find(({ name }) => name === body["name"]);
      if (ours) chains.set(ours.name, { base: isBase(body, ours), rules: [] });
      else strange = true;
    } else if (kind === "rule") chains.get(String(body["chain"]))?.rules.push(parseRule(body));
    else if (kind === "table") strange ||= "flags" in body;
    else if (kind !== "metainfo") strange = true;
  }
  return { chains, strange };
}

function isBase(body: JsonRecord, { type, hook, priority }: Chain): boolean {
  return body["type"] === type && body["hook"] === hook && body["prio"] === priority && body["policy"] === "accept";
}

interface Found {
  mark: number | null;
  source: AddressMatch | null;
  destination: AddressMatch | null;
  verdict: Verdict | null;
  strange: boolean;
}

function parseRule(body: JsonRecord): PresentRule {
  const found: Found = { mark: null, source: null, destination: null, verdict: null, strange: false };
  const expressions = Array.isArray(body["expr"]) ? body["expr"] : [];
  for (const expression of expressions) readExpression(recordOf(expression), found);
  const { mark, source, destination, verdict, strange } = found;
  const rule = strange || verdict === null ? null : { mark, source, destination, verdict };
  const family: Family = body["family"] === "ip6" ? "ipv6" : "ipv4";
  return {
    rule,
    prefixes: namedPrefixes([source, destination]),
    text: rule && formatRule(rule, family),
  };
}

function readExpression(expression: JsonRecord, found: Found): void {
  const [kind = "", value] = Object.entries(expression)[0] ?? [];
  if (kind === "match") readMatch(recordOf(value), found);
  else if (kind === "accept" || kind === "return") found.verdict = kind;
  else if (kind === "masquerade") found.verdict = isRandom(value) ? "masquerade-random" : "masquerade";
  else found.strange = true;
}

/** nft: one flag is a text, or a list of one, depending on its version. */
function isRandom(value: Json | undefined): boolean {
  const { flags } = recordOf(value);
  return flags === "fully-random" || (Array.isArray(flags) && flags.length === 1 && flags[0] === "fully-random");
}

function readMatch({ op, left, right }: JsonRecord, found: Found): void {
  const { protocol, field } = recordOf(recordOf(left)["payload"]);
  const prefix = readPrefix(right);
  const isAddress = (protocol === "ip" || protocol === "ip6") && (field === "saddr" || field === "daddr");
  if (isAddress && prefix !== null && (op === "==" || op === "!=")) {
    found[field === "saddr" ? "source" : "destination"] = { prefix, negated: op === "!=" };
    return;
  }
  const bits = recordOf(left)["&"];
  const isMark = Array.isArray(bits) && recordOf(recordOf(bits[0])["meta"])["key"] === "mark" && bits[1] === right;
  if (isMark && op === "==" && typeof right === "number") found.mark = right;
  else found.strange = true;
}

/** nft: a prefix that is a single address is written without its length. */
function readPrefix(value: Json | undefined): Prefix | null {
  if (typeof value === "string") return `${value}/${value.includes(":") ? 128 : 32}` as Prefix;
  const { addr, len } = recordOf(recordOf(value)["prefix"]);
  return typeof addr === "string" && typeof len === "number" ? (`${addr}/${len}` as Prefix) : null;
}

function recordOf(value: Json | undefined): JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonRecord) : {};
}
