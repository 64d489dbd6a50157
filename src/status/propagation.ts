// How long it takes from a change of the leases, as the watch tells it, until the kernel is as they say. Changes that come
// while others are being programmed are one burst, whose time is that of its first.

import type { Clock } from "../base/clock.ts";
import { createHistogram, type Histogram } from "../base/histogram.ts";

export interface Propagation {
  /** The watch has told of a change. Must cost nothing. */
  changed(): void;
  /** A plan was made of all that was told. */
  planned(): void;
  /** A pass has ended; `inSync` when all that is planned is in the kernel. */
  passed(inSync: boolean): void;
  read(): Histogram;
}

export function createPropagation(clock: Pick<Clock, "monotonic">): Propagation {
  const seconds = createHistogram();
  let told: number | null = null;
  let planned: number | null = null;
  return {
    changed() {
      told ??= clock.monotonic();
    },
    planned() {
      planned ??= told;
      told = null;
    },
    passed(inSync) {
      if (!inSync || planned === null) return;
      seconds.observe((clock.monotonic() - planned) / 1000);
      planned = null;
    },
    read: seconds.read,
  };
}
