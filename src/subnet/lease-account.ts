// What has become of our own lease since the start, for whoever watches the daemon.

import type { EpochMillis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";

export interface LeaseAccount {
  /** When the store last gave or renewed it; null when it is only remembered. */
  readonly renewedAt: EpochMillis | null;
  /** Renewals that worked, and attempts to look after the record that did not. */
  readonly renewed: number;
  readonly failed: number;
  /** The record was gone, or no lease any more, and was written again. */
  readonly lost: number;
  /** Another host had the subnet. */
  readonly conflicts: number;
}

/** `renewed`: for another full term. `seen`: it is as we hold it. `rewritten`: it was gone, or no lease. */
export type Keeping = "renewed" | "seen" | "rewritten";

export interface LeaseAccountant {
  kept(how: Keeping): void;
  failed(): void;
  read(conflicts: number): LeaseAccount;
}

export function createLeaseAccountant(isFresh: boolean, clock: Pick<Clock, "now">): LeaseAccountant {
  let renewedAt = isFresh ? clock.now() : null;
  const counts = { renewed: 0, seen: 0, rewritten: 0 };
  let failed = 0;
  return {
    kept(how) {
      counts[how] += 1;
      if (how !== "seen") renewedAt = clock.now();
    },
    failed() {
      failed += 1;
    },
    read: (conflicts) => ({ renewedAt, renewed: counts.renewed, failed, lost: counts.rewritten, conflicts }),
  };
}
