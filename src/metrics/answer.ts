// The answer to /metrics.

import type { Clock } from "../base/clock.ts";
import { shareAnswers } from "../base/share-answers.ts";
import type { StatusRequest } from "../status/collect.ts";
import type { DaemonStatus } from "../status/snapshot.ts";
import { type MetricsRequest, metricFamilies } from "./families.ts";

/** In Prometheus' text form. */
export type MetricsSource = (request: MetricsRequest) => Promise<string>;

type ReadStatus = (request: StatusRequest) => Promise<DaemonStatus>;

/** With a series for each peer an answer is some work: it is shared. */
export function createMetrics(status: ReadStatus, clock: Pick<Clock, "monotonic">): MetricsSource {
  const answer = shareAnswers(async (peers: boolean) => {
    // Loaded here, because most daemons are never asked.
    const { expose } = await import("./exposition.ts");
    return await expose(metricFamilies(await status({ peers }), { peers }));
  }, clock);
  return ({ peers }) => answer(peers);
}
