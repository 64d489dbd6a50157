// The table in the kernel, by the program nft: read as a whole, changed in one transaction, removed.

import { FlannelError } from "../base/errors.ts";
import { execute, isAbsent, outputOf, type ToolDeps, understood } from "../firewall/ask-tool.ts";
import type { ToolResult } from "../firewall/tool.ts";
import { type ListedTable, parseTable } from "./table.ts";

/** Each throws `firewall.failed` and `firewall.missing`. */
export interface NftTable {
  /** Null when there is none, or one that we have not made so. */
  read(signal: AbortSignal): Promise<ListedTable | null>;
  change(script: string, signal: AbortSignal): Promise<void>;
}

export function openNftTable(name: string, deps: ToolDeps): NftTable {
  return {
    async read(signal) {
      const listed = found(await execute(["nft", "-j", "list", "table", "inet", name], "", deps, signal));
      if (isAbsent(listed)) return null;
      const text = outputOf("nft", listed);
      return understood("nft", () => parseTable(text));
    },
    async change(script, signal) {
      const done = found(await execute(["nft", "-f", "-"], script, deps, signal));
      if (isTooOld(done)) {
        throw new FlannelError("firewall.failed", {
          tool: "nft",
          reason: "it is too old to count traffic with, which nftables 0.9.8 and newer can: install a newer one",
        });
      }
      outputOf("nft", done);
    },
  };
}

type Ended = ToolResult & { readonly kind: "ended" };

function found(result: ToolResult): Ended {
  if (result.kind === "ended") return result;
  const remedy = "install nftables, or start without the flag";
  throw new FlannelError("firewall.missing", { flag: "--peer-traffic", tool: "nft", remedy });
}

/** nft: before 0.9.5 the elements of a set have no counters. */
function isTooOld({ status, stderr }: Ended): boolean {
  return status !== 0 && /unexpected counter\b/.test(stderr);
}

/** What an earlier start has left. Throws `firewall.failed`. */
export async function removeNftTable(name: string, deps: ToolDeps, signal: AbortSignal): Promise<boolean> {
  const done = await execute(["nft", "delete", "table", "inet", name], "", deps, signal);
  if (done.kind === "missing" || isAbsent(done) || isUnknown(done)) return false;
  outputOf("nft", done);
  return true;
}

/** Kernel: without nf_tables, or its family inet, there is no such table. */
function isUnknown({ status, stderr }: Ended): boolean {
  return status !== 0 && /not supported/i.test(stderr);
}
