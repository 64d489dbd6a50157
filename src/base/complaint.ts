// A condition that lasts, told as transitions: once when it begins or changes its reason, then at growing intervals,
// and once when it is over. A day without etcd is some dozens of lines.

import type { Clock } from "./clock.ts";
import type { LogFields, Logger } from "./log.ts";

export interface Complaint {
  /** The condition holds, for this reason. Logged if the reason is new or the last word was long enough ago. */
  raise(reason: string, fields?: LogFields): void;
  /** The condition is over. Logged if it had been raised. */
  settle(): void;
}

const FIRST_REPEAT = 60_000;
const LONGEST_REPEAT = 3_600_000;

export function createComplaint(
  texts: { readonly raised: string; readonly settled: string },
  deps: { readonly clock: Clock; readonly log: Logger },
): Complaint {
  let current: { reason: string; since: number; nextAt: number; interval: number; count: number } | null = null;
  return {
    raise(reason, fields = {}) {
      const now = deps.clock.monotonic();
      const isNew = current === null || current.reason !== reason;
      if (current && !isNew && now < current.nextAt) {
        current.count += 1;
        return;
      }
      const interval = isNew || !current ? FIRST_REPEAT : Math.min(current.interval * 2, LONGEST_REPEAT);
      const count = (current?.count ?? 0) + 1;
      current = { reason, since: current?.since ?? now, nextAt: now + interval, interval, count };
      deps.log.warn(texts.raised, count > 1 ? { ...fields, reason, count } : { ...fields, reason });
    },
    settle() {
      if (!current) return;
      deps.log.info(texts.settled, { count: current.count, ms: Math.round(deps.clock.monotonic() - current.since) });
      current = null;
    },
  };
}
