// The figures for programs. Pure.

import type { Verdict } from "../tables.ts";
import { findResult, type Measure, type PathResult, ratioOf, type Spread, summarise } from "./figures.ts";
import { REFERENCE } from "./paths.ts";

export interface DatapathRun {
  readonly conditions: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly results: readonly PathResult[];
  readonly verdicts: readonly Verdict[];
}

type Spreads = Readonly<Record<string, Spread | null>>;

/** Everything that was measured, and what was made of it; times are in microseconds. */
export function toJson({ conditions, rounds, seconds, results, verdicts }: DatapathRun): object {
  const reference = findResult(results, REFERENCE);
  return {
    conditions,
    rounds,
    seconds,
    paths: results.map((result) => ({
      path: result.path.name,
      trouble: result.trouble,
      rounds: result.rounds,
      summary: forEachMeasure(result, (measure) => summarise(result, measure)),
      ratioToVxlan: forEachMeasure(result, (measure) => ratioOf(result, reference, measure)),
    })),
    targets: verdicts,
  };
}

/** Nothing for a path that has not been measured. */
function forEachMeasure({ rounds }: PathResult, of: (measure: Measure) => Spread | null): Spreads {
  const figures = rounds.find((figures) => figures !== null);
  return Object.fromEntries(Object.keys(figures ?? {}).map((measure) => [measure, of(measure as Measure)]));
}
