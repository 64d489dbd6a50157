// The figures of a run as data, and what is made of them: medians, spreads and ratios. Pure.

import type { DataPath } from "./paths.ts";

/** What one path has done in one round. */
export interface Figures {
  readonly tcpGigabitsPerSecond: number;
  readonly tcpRetransmits: number;
  /** Processor seconds of the whole machine, and of the daemons, for each gigabit of the TCP stream. */
  readonly tcpCpuPerGigabit: number;
  readonly tcpDaemonCpuPerGigabit: number;
  readonly tcp4GigabitsPerSecond: number;
  readonly tcp4Retransmits: number;
  readonly udp1400Sent: number;
  readonly udp1400Received: number;
  readonly udp1400LossPercent: number;
  readonly udp64Sent: number;
  readonly udp64Received: number;
  readonly udp64LossPercent: number;
  readonly rttMin: number;
  readonly rttP50: number;
  readonly rttP90: number;
  readonly rttP99: number;
  readonly rttMax: number;
}

export type Measure = keyof Figures;

/** Why a path has no figures. "not built": our daemon does not have the backend. */
export interface Trouble {
  readonly kind: "not built" | "failed";
  readonly reason: string;
}

export interface PathResult {
  readonly path: DataPath;
  /** By round; null where there was trouble. */
  readonly rounds: readonly (Figures | null)[];
  readonly trouble: Trouble | null;
}

export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Null when there are no values. */
export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b);
  const [low] = sorted;
  const high = sorted.at(-1);
  if (low === undefined || high === undefined) return null;
  const upper = sorted[sorted.length >> 1] ?? high;
  const lower = sorted[(sorted.length - 1) >> 1] ?? low;
  return { median: (lower + upper) / 2, low, high };
}

/** Of a measure over the rounds. */
export function summarise(result: PathResult | null, measure: Measure): Spread | null {
  return spreadOf((result?.rounds ?? []).flatMap((figures) => (figures ? [figures[measure]] : [])));
}

/** For each round that has the figures of both. */
export function compareRounds(
  result: PathResult | null,
  other: PathResult | null,
  compare: (figures: Figures, others: Figures) => number,
): readonly number[] {
  return (result?.rounds ?? []).flatMap((figures, round) => {
    const others = other?.rounds[round];
    return figures && others ? [compare(figures, others)] : [];
  });
}

/** One path's figure over another's of the same round: on a shared machine only this means something. */
export function ratioOf(result: PathResult | null, other: PathResult | null, measure: Measure): Spread | null {
  const ratios = compareRounds(result, other, (figures, others) => figures[measure] / others[measure]);
  return spreadOf(ratios.filter(Number.isFinite));
}

export function findResult(results: readonly PathResult[], name: string): PathResult | null {
  return results.find(({ path }) => path.name === name) ?? null;
}
