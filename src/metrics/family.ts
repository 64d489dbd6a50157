// Metrics as plain data: a family is a name, what it means, and its samples.

import type { Histogram } from "../base/histogram.ts";

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface HistogramSample {
  readonly labels: Labels;
  readonly histogram: Histogram;
}

export interface Family {
  readonly name: string;
  /** A sentence, for the line HELP. */
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: readonly Sample[];
  readonly histograms: readonly HistogramSample[];
}

export function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type: "gauge", samples, histograms: [] };
}

export function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type: "counter", samples, histograms: [] };
}

export function histogram(name: string, help: string, histograms: readonly HistogramSample[]): Family {
  return { name, help, type: "histogram", samples: [], histograms };
}

/** 1 or 0; nothing when it is not known. */
export function flag(value: boolean | null | undefined): readonly Sample[] {
  return value === null || value === undefined ? [] : [{ labels: {}, value: value ? 1 : 0 }];
}

/** A number without labels; nothing when it is not known. */
export function value(number: number | null | undefined): readonly Sample[] {
  return number === null || number === undefined ? [] : [{ labels: {}, value: number }];
}

/** A moment, ISO 8601, in seconds since 1970; nothing when there is none. */
export function since(moment: string | null | undefined): readonly Sample[] {
  return moment ? [{ labels: {}, value: secondsOf(moment) }] : [];
}

export function secondsOf(moment: string): number {
  return Date.parse(moment) / 1000;
}
