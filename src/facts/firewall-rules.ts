// The host's firewall rules, as its own tools print them.

import { seconds } from "../base/brand.ts";
import { systemClock } from "../base/clock.ts";
import { FlannelError, isError } from "../base/errors.ts";
import { DeadlineExceeded, withDeadline } from "../base/signals.ts";
import { mapInParallel } from "../base/tasks.ts";
import { type Known, known, type RuleFacts, unknown } from "../check/facts.ts";
import { joinRulesets, type NftChain, readNftChains } from "../check/nft-rules.ts";
import { isAbsent } from "../firewall/ask-tool.ts";
import { runTool, type ToolResult } from "../firewall/tool.ts";

/** The plain name stands for one of the two; what both print is kept once. */
const SAVES = ["iptables", "iptables-nft", "iptables-legacy"];

/** All that there are. */
export function readRules(signal: AbortSignal): Promise<Known<RuleFacts>> {
  return readWith(["list", "ruleset"], async (listed) => listed, signal);
}

/**
 * Of nftables the chains alone that packets meet first, and can be dropped in. What is jumped to and not read may accept,
 * so that a drop behind it is left to `flanneld check`. nft: 20,000 rules as JSON are 200 MiB of its memory and a second of its time, the list of chains 5 MiB and 10 ms.
 */
export function readBaseRules(signal: AbortSignal): Promise<Known<RuleFacts>> {
  return readWith(["list", "chains"], (listed, hasIptables) => readBaseChains(listed, hasIptables, signal), signal);
}

/** Whoever asks waits for it, and each tool is some milliseconds of starting. */
const AT_ONCE = 4;

async function readWith(
  list: readonly string[],
  follow: (listed: string | null, hasIptables: boolean) => Promise<string | null>,
  signal: AbortSignal,
): Promise<Known<RuleFacts>> {
  const commands = [["nft", "-j", ...list], ...SAVES.map((tool) => [`${tool}-save`])];
  try {
    const [listed = null, ...saved] = await mapInParallel(commands, AT_ONCE, read, signal);
    const iptables = withoutDoubles(saved);
    return known({ iptables, nftables: await follow(listed, Object.keys(iptables).length > 0) });
  } catch (error) {
    if (!isError(error, "firewall.failed")) throw error;
    return unknown(error.info.reason);
  }
}

/** By the tool's name; null is one that is not there. */
function withoutDoubles(saved: readonly (string | null)[]): RuleFacts["iptables"] {
  const seen = new Set<string>();
  const found = SAVES.flatMap((tool, index): readonly (readonly [string, string])[] => {
    const text = saved[index] ?? null;
    if (text === null || seen.has(withoutRemarks(text))) return [];
    seen.add(withoutRemarks(text));
    return [[tool, text]];
  });
  return Object.fromEntries(found);
}

/** More than these nobody has; each is a process. Those with a policy of drop come first. */
const MOST_CHAINS = 8;

async function readBaseChains(
  listed: string | null,
  hasIptables: boolean,
  signal: AbortSignal,
): Promise<string | null> {
  if (listed === null) return null;
  const chains = readNftChains(listed)
    .filter(({ hook }) => hook === "forward" || hook === "input" || hook === "prerouting")
    .filter(({ isOfIptables }) => !(hasIptables && isOfIptables))
    .toSorted((a, b) => Number(b.dropsByPolicy) - Number(a.dropsByPolicy))
    .slice(0, MOST_CHAINS);
  const texts = await mapInParallel(chains, AT_ONCE, readChain, signal);
  return joinRulesets(texts);
}

/** One that has gone since it was listed drops nothing. Of one that cannot be read nobody knows. */
async function readChain({ table, name }: NftChain, signal: AbortSignal): Promise<string> {
  const command = ["nft", "-j", "list", "chain", ...table.split(" "), name];
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
