// The answer to /metrics.

import type { DaemonStatus } from "../status/snapshot.ts";
import { type MetricsRequest, metricFamilies } from "./families.ts";

/** In Prometheus' text form. */
export async function answerMetrics(status: () => Promise<DaemonStatus>, request: MetricsRequest): Promise<string> {
  // Loaded here, because most daemons are never asked.
  const { expose } = await import("./exposition.ts");
  return await expose(metricFamilies(await status(), request));
}
