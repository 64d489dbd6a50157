// The text of iptables-save and what is to be -> the input of iptables-restore --noflush. Pure.
// Chains and comments are the Go daemon's, so that either daemon takes over from the other. Each table is one transaction:
// a packet meets the old rules or the new ones. Nothing else in the tables is named, ever.

import { formatIptablesRule, type ParsedRule, parseIptablesRule } from "./iptables-rule.ts";
import type { Rule, RuleSet } from "./rule.ts";
import { type ChainChange, type IsOurs, NO_CHANGE, settleChain } from "./settle-chain.ts";

/** Where a set of rules is: a chain of ours, and the jump to it from one of the kernel's. */
interface Site {
  readonly table: string;
  readonly base: string;
  readonly chain: string;
  readonly comment: string;
  readonly rules: keyof RuleSet;
  /** Targets that keep a packet from us, if they come before our jump and take every packet. */
  readonly walls: readonly string[];
}

const SITES: readonly Site[] = [
  {
    table: "nat",
    base: "POSTROUTING",
    chain: "FLANNEL-POSTRTG",
    comment: "flanneld masq",
    rules: "masquerade",
    walls: ["ACCEPT", "DROP", "MASQUERADE"],
  },
  {
    table: "filter",
    base: "FORWARD",
    chain: "FLANNEL-FWD",
    comment: "flanneld forward",
    rules: "forward",
    walls: ["DROP", "REJECT"],
  },
];

/** Whether our rules are in this chain, or our jump; a chain of null is any. */
export function isOurChain(table: string, chain: string | null): boolean {
  return SITES.some((site) => site.table === table && (chain === null || chain === site.chain || chain === site.base));
}

export interface IptablesDifference {
  /** For iptables-restore --noflush; empty when everything is as it should be. */
  readonly script: string;
  /** A rule before our jump that leaves no packet for it, as iptables-save prints it; null when there is none. */
  readonly shadow: string | null;
}

/** `saved` is what iptables-save prints. */
export function diffIptables(saved: string, want: RuleSet, isOurs: IsOurs): IptablesDifference {
  const tables = parseSaved(saved);
  const settled = SITES.map((site) => settleSite(site, tables.get(site.table) ?? NO_TABLE, want[site.rules], isOurs));
  return {
    script: settled.map(({ script }) => script).join(""),
    shadow: settled.map(({ shadow }) => shadow).find((rule) => rule !== null) ?? null,
  };
}

function settleSite(
  site: Site,
  table: SavedTable,
  want: readonly Rule[],
  isOurs: IsOurs,
): { readonly script: string; readonly shadow: string | null } {
  const present = table.chains.has(site.chain) ? rulesOf(table, site.chain) : null;
  const settled = settleChain(want, present, isOurs);
  // iptables: a chain to which any rule leads cannot be deleted. Empty it does no harm.
  const stays = settled.kind === "remove" && isUsedElsewhere(site, table);
  const change: ChainChange = stays && present?.length === 0 ? NO_CHANGE : settled;
  const hasRules = change.kind === "set" || (change.kind === "none" && present !== null && !stays);
  const base = rulesOf(table, site.base);
  const jump = base.findIndex((rule) => isJump(rule, site));
  const lines = [
    ...linesOfChain(site, change),
    ...(hasRules && jump === -1 ? [`-A ${site.base} ${formatJump(site)}`] : []),
    ...base
      .filter((rule, at) => isLeftOver(rule, site, isOurs) || (isJump(rule, site) && !(hasRules && at === jump)))
      .map(({ text }) => `-D ${site.base} ${text}`),
    ...(change.kind === "remove" && !stays ? [`-X ${site.chain}`] : []),
  ];
  const shadow = hasRules
    ? base.slice(0, jump === -1 ? base.length : jump).find((rule) => isWall(rule, site))
    : undefined;
  return {
    script: lines.length === 0 ? "" : [`*${site.table}`, ...lines, "COMMIT", ""].join("\n"),
    shadow: shadow ? `-A ${site.base} ${shadow.text}` : null,
  };
}

/** In iptables-restore the line with a colon makes the chain, or empties it. */
function linesOfChain({ chain, comment }: Site, change: ChainChange): string[] {
  switch (change.kind) {
    case "none":
      return [];
    case "remove":
      return [`:${chain} - [0:0]`];
    case "set":
      return [
        `:${chain} - [0:0]`,
        ...change.rules.map((rule) => {
          const text = typeof rule === "string" ? rule : formatIptablesRule(rule, comment);
          return `-A ${chain} ${text}`;
        }),
      ];
  }
}

function formatJump({ comment, chain }: Site): string {
  return `-m comment --comment "${comment}" -j ${chain}`;
}

/** One of ours leads every packet there; whoever leads some packets there has a reason. */
function isJump(rule: ParsedRule, { chain }: Site): boolean {
  return rule.target === chain && rule.unconditional;
}

/** Compat: up to 0.19 the Go daemon had no chains of its own; its rules stood where the jump is now. */
function isLeftOver({ target, comment, prefixes }: ParsedRule, site: Site, isOurs: IsOurs): boolean {
  return comment === site.comment && target !== site.chain && prefixes.some(isOurs);
}

/** Whether a rule that is not ours to delete leads to our chain. */
function isUsedElsewhere(site: Site, { rules }: SavedTable): boolean {
  return [...rules].some(([chain, lines]) =>
    lines.some((text) => {
      if (!text.includes(site.chain)) return false;
      const rule = parseIptablesRule(text);
      return rule.target === site.chain && !(chain === site.base && isJump(rule, site));
    }),
  );
}

function isWall({ target, unconditional }: ParsedRule, { walls }: Site): boolean {
  return unconditional && target !== null && walls.includes(target);
}

interface SavedTable {
  readonly chains: ReadonlySet<string>;
  /** By chain, in order, without "-A CHAIN ". */
  readonly rules: ReadonlyMap<string, readonly string[]>;
}

const NO_TABLE: SavedTable = { chains: new Set(), rules: new Map() };

function rulesOf(table: SavedTable, chain: string): ParsedRule[] {
  return (table.rules.get(chain) ?? []).map(parseIptablesRule);
}

/** What is neither a table, a chain nor a rule (comments, warnings, COMMIT) says nothing. A rule may have its counters. */
function parseSaved(text: string): ReadonlyMap<string, SavedTable> {
  const tables = new Map<string, { readonly chains: Set<string>; readonly rules: Map<string, string[]> }>();
  let table: { readonly chains: Set<string>; readonly rules: Map<string, string[]> } | undefined;
  for (const line of text.split("\n")) {
    const [, kind, name = "", rest = ""] = /^(?:\[\d+:\d+\] )?(\*|:|-A )(\S+) ?(.*)$/.exec(line.trim()) ?? [];
    if (kind === "*") {
      table = tables.get(name) ?? { chains: new Set(), rules: new Map() };
      tables.set(name, table);
    } else if (kind === ":") table?.chains.add(name);
    else if (kind === "-A ") {
      const rules = table?.rules.get(name);
      if (rules) rules.push(rest);
      else table?.rules.set(name, [rest]);
    }
  }
  return tables;
}
