// The host's firewall rules, as its own tools print them.

import { seconds } from "../base/brand.ts";
import { systemClock } from "../base/clock.ts";
import { FlannelError, isError } from "../base/errors.ts";
import type { Family } from "../base/ip.ts";
import { DeadlineExceeded, withDeadline } from "../base/signals.ts";
import { mapInParallel } from "../base/tasks.ts";
import { type Known, known, type RuleFacts, unknown } from "../check/facts.ts";
import { joinRulesets } from "../check/nft-json.ts";
import { DEVICE_HOOKS, type NftChain, readNftChains, smallSetsOf } from "../check/nft-rules.ts";
import { isSaved } from "../check/rule-keepers.ts";
import { isAbsent } from "../firewall/ask-tool.ts";
import { runTool, type ToolResult } from "../firewall/tool.ts";
import { addDevices, lacksDevices } from "./chain-devices.ts";

/** The plain name stands for one of the two; what both print is kept once. */
const SAVES: Readonly<Record<Family, readonly string[]>> = {
  ipv4: ["iptables", "iptables-nft", "iptables-legacy"],
  ipv6: ["ip6tables", "ip6tables-nft", "ip6tables-legacy"],
};

/** All that there are for these families. */
export function readRules(families: readonly Family[], signal: AbortSignal): Promise<Known<RuleFacts>> {
  return readWith(["list", "ruleset"], async (listed) => listed, families, signal);
}

/**
 * Of nftables the chains alone that packets meet first, and can be dropped in, and those that they jump to. What is
 * jumped to and not read may accept, so that a drop behind it is left to `flanneld check`. nft: 20,000 rules as JSON are
 * 200 MiB of its memory and a second of its time, the list of chains 5 MiB and 10 ms.
 */
export function readBaseRules(families: readonly Family[], signal: AbortSignal): Promise<Known<RuleFacts>> {
  return readWith(
    ["list", "chains"],
    (listed, tools) => readBaseChains(listed, { tools, families }, signal),
    families,
    signal,
  );
}

/** Whoever asks waits for it, and each tool is some milliseconds of starting. */
const AT_ONCE = 4;

async function readWith(
  list: readonly string[],
  follow: (listed: string | null, tools: readonly string[]) => Promise<string | null>,
  families: readonly Family[],
  signal: AbortSignal,
): Promise<Known<RuleFacts>> {
  const tools = families.flatMap((family) => SAVES[family]);
  const commands = [["nft", "-j", ...list], ...tools.map((tool) => [`${tool}-save`])];
  try {
    const [listed = null, ...saved] = await mapInParallel(commands, AT_ONCE, read, signal);
    const texts = new Map(tools.map((tool, index) => [tool, saved[index] ?? null]));
    const iptables = Object.assign({}, ...families.map((family) => withoutDoubles(SAVES[family], texts)));
    const nftables = await follow(listed, Object.keys(iptables));
    return known({ iptables, nftables: nftables === null ? null : await withDevices(nftables, signal) });
  } catch (error) {
    if (!isError(error, "firewall.failed")) throw error;
    return unknown(error.info.reason);
  }
}

async function withDevices(ruleset: string, signal: AbortSignal): Promise<string> {
  if (!lacksDevices(ruleset)) return ruleset;
  return addDevices(ruleset, (await read(["nft", "list", "chains"], signal)) ?? "");
}

/** Of the tools of one family; null is one that is not there. */
function withoutDoubles(tools: readonly string[], texts: ReadonlyMap<string, string | null>): RuleFacts["iptables"] {
  const seen = new Set<string>();
  const found = tools.flatMap((tool): readonly (readonly [string, string])[] => {
    const text = texts.get(tool) ?? null;
    if (text === null || seen.has(withoutRemarks(text))) return [];
    seen.add(withoutRemarks(text));
    return [[tool, text]];
  });
  return Object.fromEntries(found);
}

/** More than these nobody has; each is a process. Those with a policy of drop come first. */
const MOST_BASE_CHAINS = 12;
/** Whoever jumps to more writes rules by a program, such as kube-proxy, and drops nothing of the overlay's in them. */
const MOST_CHAINS = 24;
/** Where most drop comes first. */
const HOOKS = ["input", "forward", "prerouting", "output", "postrouting", ...DEVICE_HOOKS];

async function readBaseChains(
  listed: string | null,
  { tools, families }: { readonly tools: readonly string[]; readonly families: readonly Family[] },
  signal: AbortSignal,
): Promise<string | null> {
  if (listed === null) return null;
  const chains = readNftChains(listed);
  let next: readonly NftChain[] = chains
    .filter(({ hook }) => hook !== null && HOOKS.includes(hook))
    .filter((chain) => isOfOne(families, chain) && !isSaved(chain, tools))
    .toSorted((a, b) => HOOKS.indexOf(a.hook ?? "") - HOOKS.indexOf(b.hook ?? ""))
    .toSorted((a, b) => Number(b.dropsByPolicy) - Number(a.dropsByPolicy))
    .slice(0, MOST_BASE_CHAINS);
  const texts = new Map<string, string>();
  const sets = new Map<string, string>();
  while (next.length > 0) {
    const found = await mapInParallel(next, AT_ONCE, readChain, signal);
    for (const [index, chain] of next.entries()) texts.set(idOf(chain), found[index] ?? "{}");
    await readSets(joinRulesets(found), sets, signal);
    const targets = new Set(readNftChains(joinRulesets([...found, ...sets.values()])).flatMap(targetsOf));
    next = chains
      .filter((chain) => targets.has(idOf(chain)) && !texts.has(idOf(chain)))
      .slice(0, Math.max(0, MOST_CHAINS - texts.size));
  }
  // In the order of the whole ruleset, of which the first drop is told.
  return joinRulesets([...chains.map((chain) => texts.get(idOf(chain)) ?? "{}"), ...sets.values()]);
}

function isOfOne(families: readonly Family[], { table }: NftChain): boolean {
  if (table.startsWith("ip ")) return families.includes("ipv4");
  return !table.startsWith("ip6 ") || families.includes("ipv6");
}

function idOf({ table, name }: Pick<NftChain, "table" | "name">): string {
  return `${table} ${name}`;
}

/** A jump does not leave its table. */
function targetsOf({ table, rules }: NftChain): readonly string[] {
  return rules.flatMap(({ verdict }) =>
    verdict.kind === "jump" || verdict.kind === "goto" ? [idOf({ table, name: verdict.chain })] : [],
  );
}

function readChain({ table, name }: NftChain, signal: AbortSignal): Promise<string> {
  return readListed(["chain", ...table.split(" "), name], signal);
}

/** More than these of ports and interfaces nobody has by whom a drop is told; each is a process. */
const MOST_SETS = 8;

/** nft: with a chain its sets are not listed. Adds those that these chains name to the ones that were read before. */
async function readSets(chains: string, read: Map<string, string>, signal: AbortSignal): Promise<void> {
  const missing = smallSetsOf(chains)
    .filter((set) => !read.has(set.join(" ")))
    .slice(0, MOST_SETS - read.size);
  const texts = await mapInParallel(missing, AT_ONCE, readListed, signal);
  for (const [index, set] of missing.entries()) read.set(set.join(" "), texts[index] ?? "{}");
}

/** One that has gone since it was listed drops nothing. Of one that cannot be read nobody knows. */
async function readListed(what: readonly string[], signal: AbortSignal): Promise<string> {
  const command = ["nft", "-j", "list", ...what];
  const result = await runBriefly(command, signal);
  if (result.kind === "ended" && isAbsent(result)) return "{}";
  return printed(command, result) ?? "{}";
}

/** What takes longer hangs. */
const TOOL_LIMIT = seconds(20);

export async function runBriefly(command: readonly string[], signal: AbortSignal): Promise<ToolResult> {
  try {
    return await withDeadline(TOOL_LIMIT, systemClock, signal, (scope) => runTool(command, "", scope));
  } catch (error) {
    if (!(error instanceof DeadlineExceeded)) throw error;
    return { kind: "ended", status: 255, stdout: "", stderr: `${command[0]}: ${error.message}` };
  }
}

/** Times and counters differ from call to call. */
function withoutRemarks(text: string): string {
  return text.replaceAll(/^#.*\n|\[\d+:\d+\]/gm, "");
}

async function read(command: readonly string[], signal: AbortSignal): Promise<string | null> {
  return printed(command, await runBriefly(command, signal));
}

/** Null when there is no such program. Throws `firewall.failed`. */
function printed(command: readonly string[], result: ToolResult): string | null {
  if (result.kind === "missing") return null;
  if (result.status === 0) return result.stdout;
  throw new FlannelError("firewall.failed", { tool: command[0] ?? "", reason: firstLine(result.stderr) });
}

export function firstLine(text: string): string {
  return text.trim().split("\n")[0] || "it said nothing";
}
