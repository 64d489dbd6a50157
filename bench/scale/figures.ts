// The figures of a run as data, and what is made of times. Pure.

export const SECTIONS = ["start", "burst", "churn", "join", "steady", "proxy"] as const;
export type SectionName = (typeof SECTIONS)[number];

export interface Figure {
  readonly section: SectionName;
  /** Under which circumstances: "5,000 leases". */
  readonly scenario: string;
  readonly what: string;
  readonly measured: number;
  /** "ms", "MiB", "s", "%", "bytes", or "" for a number of things. */
  readonly unit: string;
  /** What the project has promised: at most this. Null where it has promised nothing. */
  readonly limit: number | null;
}

/** Without section and scenario, which are the same for all figures of one measurement. */
export type Measured = Omit<Figure, "section" | "scenario">;

export function figure(what: string, measured: number, unit: string, limit: number | null = null): Measured {
  return { what, measured, unit, limit };
}

export function figuresOf(section: SectionName, scenario: string, measured: readonly Measured[]): readonly Figure[] {
  return measured.map((figure) => ({ section, scenario, ...figure }));
}

/** The smallest value that at least `share` of all values do not exceed; NaN when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Median, 99th percentile and maximum. */
export function spread(
  what: string,
  values: readonly number[],
  unit: string,
  most: number | null = null,
): readonly Measured[] {
  return [
    figure(`${what}: p50`, quantile(values, 0.5), unit),
    figure(`${what}: p99`, quantile(values, 0.99), unit),
    figure(`${what}: max`, quantile(values, 1), unit, most),
  ];
}

export function count(value: number): string {
  return value.toLocaleString("en");
}
