// What takes some work to read, for whoever asks: those who wait share one reading, and one that is younger than a second
// is given again.

import { millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";

const FRESH = millis(1000);

/** What fails, fails for those who wait for it; whoever comes then has it read again. */
export function shareReading<T>(read: () => Promise<T>, clock: Pick<Clock, "monotonic">): () => Promise<T> {
  let last: { readonly reading: Promise<T>; readAt: number | null } | null = null;
  return () => {
    const isOld = last?.readAt != null && clock.monotonic() - last.readAt >= FRESH;
    if (last && !isOld) return last.reading;
    const next: typeof last = { reading: read(), readAt: null };
    last = next;
    next.reading.then(
      () => {
        next.readAt = clock.monotonic();
      },
      () => {
        if (last === next) last = null;
      },
    );
    return next.reading;
  };
}
