// How often something took how long: counts below bounds, as metrics want them. Costs one comparison for each bound, and
// always the same memory.

/** Plain data. */
export interface Histogram {
  /** In ascending order; `count` is of all that were at most `upTo`, those of the buckets before it included. */
  readonly buckets: readonly { readonly upTo: number; readonly count: number }[];
  /** Of all, also above the last bound. */
  readonly count: number;
  readonly sum: number;
}

export interface HistogramRecorder {
  observe(value: number): void;
  read(): Histogram;
}

/** For durations in seconds, from a local etcd's answer to one that is given up. */
export const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

export function createHistogram(bounds: readonly number[] = SECONDS): HistogramRecorder {
  const counts = bounds.map(() => 0);
  let count = 0;
  let sum = 0;
  return {
    observe(value) {
      count += 1;
      sum += value;
      for (const [index, bound] of bounds.entries()) if (value <= bound) counts[index] = (counts[index] ?? 0) + 1;
    },
    read: () => ({ buckets: bounds.map((upTo, index) => ({ upTo, count: counts[index] ?? 0 })), count, sum }),
  };
}
