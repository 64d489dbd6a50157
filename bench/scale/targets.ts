// Whether a run has kept what the project has promised. Pure.

import type { Verdict } from "../tables.ts";
import type { Figure } from "./figures.ts";
import { formatFigure } from "./report.ts";

/** One for each figure with a limit. What could not be measured is NaN, and no promise is kept by that. */
export function judge(figures: readonly Figure[]): readonly Verdict[] {
  return figures.flatMap((figure) => {
    const { section, scenario, what, measured, unit, limit } = figure;
    if (limit === null) return [];
    return {
      target: `${section}, ${scenario}: ${what} at most ${formatFigure(limit, unit)}`,
      outcome: measured <= limit ? "met" : "missed",
      detail: formatFigure(measured, unit),
      information: null,
    };
  });
}

export function exitStatus(verdicts: readonly Verdict[]): 0 | 1 {
  return verdicts.some(({ outcome }) => outcome === "missed") ? 1 : 0;
}
