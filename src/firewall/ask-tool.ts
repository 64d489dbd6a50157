// A program of the host's asked with a limit: what it printed, or why it failed, as the one error that is tried again.

import { type Millis, seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { FlannelError, isError, messageOf } from "../base/errors.ts";
import { DeadlineExceeded, withDeadline } from "../base/signals.ts";
import type { RunTool, ToolResult } from "./tool.ts";

export interface ToolDeps {
  readonly runTool: RunTool;
  readonly clock: Clock;
}

/** What takes longer hangs: tens of thousands of rules are read in less than a second. */
const TOOL_LIMIT: Millis = seconds(60);

/** What it printed; null when there is no such program. Throws `firewall.failed`. */
export async function ask(
  command: readonly string[],
  input: string,
  deps: ToolDeps,
  signal: AbortSignal,
): Promise<string | null> {
  const result = await execute(command, input, deps, signal);
  return result.kind === "missing" ? null : outputOf(command[0] ?? "", result);
}

/** Throws `firewall.failed` unless the program was content. */
export function outputOf(tool: string, { status, stdout, stderr }: ToolResult & { readonly kind: "ended" }): string {
  if (status === 0) return stdout;
  const said = stderr.trim().split("\n")[0] || "it said nothing";
  throw new FlannelError("firewall.failed", { tool, reason: `exit status ${status}: ${said}` });
}

/** What is made of the JSON that it printed. Throws `firewall.failed` when it is none: a broken nft must not end a daemon. */
export function understood<T>(tool: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new FlannelError("firewall.failed", { tool, reason: `its JSON cannot be read: ${messageOf(error)}` });
  }
}

/** nft: in every version that can write JSON the words are these. */
export function isAbsent(result: ToolResult & { readonly kind: "ended" }): boolean {
  return result.status !== 0 && result.stderr.includes("No such file or directory");
}

/** Throws `firewall.failed` when it cannot be started, or hangs. */
export async function execute(
  command: readonly string[],
  input: string,
  { runTool, clock }: ToolDeps,
  signal: AbortSignal,
): Promise<ToolResult> {
  try {
    return await withDeadline(TOOL_LIMIT, clock, signal, (scope) => runTool(command, input, scope));
  } catch (error) {
    signal.throwIfAborted();
    if (isError(error, "firewall.failed") || !(error instanceof DeadlineExceeded)) throw error;
    throw new FlannelError("firewall.failed", { tool: command[0] ?? "", reason: error.message });
  }
}
