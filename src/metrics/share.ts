// Metrics for everybody who asks. Anybody may, and with a series for each peer an answer is some work: those who wait
// share one, and one that is younger than a second is given again.

import { millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import type { MetricsRequest } from "./families.ts";

/** In Prometheus' text form. */
export type MetricsSource = (request: MetricsRequest) => Promise<string>;

const FRESH = millis(1000);

interface Shared {
  readonly text: Promise<string>;
  /** On the monotonic clock; null while it is being made. */
  madeAt: number | null;
}

/** What fails, fails for those who wait for it; whoever comes then has it tried again. */
export function shareMetrics(make: MetricsSource, clock: Pick<Clock, "monotonic">): MetricsSource {
  const answers = new Map<boolean, Shared>();
  return ({ peers }) => {
    const last = answers.get(peers);
    const isOld = last?.madeAt != null && clock.monotonic() - last.madeAt >= FRESH;
    if (last && !isOld) return last.text;
    const shared: Shared = { text: make({ peers }), madeAt: null };
    answers.set(peers, shared);
    shared.text.then(
      () => {
        shared.madeAt = clock.monotonic();
      },
      () => answers.delete(peers),
    );
    return shared.text;
  };
}
