// Round trips from the lines that ping(8) prints for each answer. Pure.

export interface RoundTrips {
  readonly answers: number;
  /** Of the answers, in microseconds. */
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Throws a sentence when there was no answer at all. */
export function parseRoundTrips(text: string): RoundTrips {
  const times = [...text.matchAll(/^\d+ bytes from .* time=([\d.]+) ms/gm)].map(([, ms]) => Number(ms) * 1000);
  if (times.length === 0) throw new Error("ping got no answer");
  const sorted = times.toSorted((a, b) => a - b);
  return {
    answers: times.length,
    min: percentile(sorted, 0),
    p50: percentile(sorted, 50),
    p90: percentile(sorted, 90),
    p99: percentile(sorted, 99),
    max: percentile(sorted, 100),
  };
}

/** By nearest rank: always a value that has been measured. NaN of nothing. */
export function percentile(sorted: readonly number[], percent: number): number {
  const rank = Math.ceil((percent / 100) * sorted.length);
  // The clock of ping has microseconds; a tenth of one is an artefact of the conversion.
  return Math.round(sorted[Math.max(0, rank - 1)] ?? Number.NaN);
}
