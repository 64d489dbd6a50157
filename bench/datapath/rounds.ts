// All paths, in turns, round after round. A path that cannot be measured does not keep the others from it.

import { messageOf } from "../../src/base/errors.ts";
import type { Progress } from "../command.ts";
import type { Figures, PathResult, Trouble } from "./figures.ts";
import { measureAll } from "./measure.ts";
import { openPath, PathRefused } from "./open-path.ts";
import type { DatapathOptions } from "./options.ts";
import { type DataPath, orderOf } from "./paths.ts";
import { formatRound, formatTrouble } from "./report.ts";

/** Throws only the signal's reason, when aborted. */
export async function runRounds(
  options: DatapathOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly PathResult[]> {
  const { paths, rounds } = options;
  const figures = new Map<DataPath, (Figures | null)[]>(paths.map((path) => [path, []]));
  const troubles = new Map<DataPath, Trouble>();
  for (let round = 0; round < rounds; round++) {
    for (const path of orderOf(paths, round)) {
      if (troubles.has(path)) continue;
      const outcome = await tryPath(path, options, signal);
      const told = "reason" in outcome ? formatTrouble(outcome) : formatRound(outcome);
      progress(`round ${round + 1} of ${rounds}: ${path.name}: ${told}`);
      if ("reason" in outcome) troubles.set(path, outcome);
      else figures.get(path)?.push(outcome);
    }
  }
  return paths.map((path) => {
    const measured = figures.get(path) ?? [];
    const missing = Array.from({ length: rounds - measured.length }, () => null);
    return { path, rounds: [...measured, ...missing], trouble: troubles.get(path) ?? null };
  });
}

async function tryPath(path: DataPath, options: DatapathOptions, signal: AbortSignal): Promise<Figures | Trouble> {
  try {
    await using open = await openPath(path, options.peer, signal);
    return await measureAll(open, options, signal);
  } catch (error) {
    signal.throwIfAborted();
    return { kind: isNotBuilt(error) ? "not built" : "failed", reason: messageOf(error) };
  }
}

/** Our daemon says so itself. Whatever else keeps it from starting is a failure, and so is anything of PEER's. */
function isNotBuilt(error: unknown): boolean {
  return error instanceof PathRefused && error.program === "ours" && /\bnot built\b/.test(error.message);
}
