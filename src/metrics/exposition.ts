// Families as Prometheus reads them. The text form is prom-client's; a registry lives as long as one answer, because the
// numbers have their owners elsewhere.

import { Counter, Gauge, Registry } from "prom-client";
import type { Family, HistogramSample } from "./family.ts";

export async function expose(families: readonly Family[]): Promise<string> {
  const registry = new Registry();
  for (const family of families) register(family, registry);
  return await registry.metrics();
}

function register({ name, help, type, samples, histograms }: Family, registry: Registry): void {
  const labelNames = [...new Set([...samples, ...histograms].flatMap(({ labels }) => Object.keys(labels)))];
  const settings = { name, help, labelNames, registers: [registry] };
  switch (type) {
    case "gauge": {
      const metric = new Gauge(settings);
      for (const { labels, value } of samples) metric.set(labels, value);
      return;
    }
    case "counter": {
      const metric = new Counter(settings);
      for (const { labels, value } of samples) metric.inc(labels, value);
      return;
    }
    case "histogram":
      new Counted(settings, histograms);
      return;
  }
}

type PromMetric = Awaited<ReturnType<Gauge["get"]>>;
type PromValue = PromMetric["values"][number] & { readonly metricName: string };

/**
 * prom-client's own histogram has what it observed itself; this one was counted by others. A gauge, of which nothing is
 * used but that the registry asks it.
 */
class Counted extends Gauge {
  readonly #values: readonly PromValue[];

  constructor(settings: ConstructorParameters<typeof Gauge>[0], samples: readonly HistogramSample[]) {
    super(settings);
    this.#values = samples.flatMap((sample) => valuesOf(settings.name, sample));
  }

  override async get(): Promise<PromMetric> {
    // Its types say a number, it writes the text.
    const type = "histogram" as unknown as PromMetric["type"];
    return { ...(await super.get()), type, values: [...this.#values] };
  }
}

function valuesOf(name: string, { labels, histogram }: HistogramSample): readonly PromValue[] {
  const buckets = histogram.buckets.map(({ upTo, count }) => ({ le: upTo, count }));
  return [
    ...[...buckets, { le: "+Inf", count: histogram.count }].map(({ le, count }) => ({
      metricName: `${name}_bucket`,
      labels: { ...labels, le },
      value: count,
    })),
    { metricName: `${name}_sum`, labels, value: histogram.sum },
    { metricName: `${name}_count`, labels, value: histogram.count },
  ];
}
