// A condition that lasts, told as transitions: once when it begins or changes its reason, then at growing intervals,
// and once when it is over. A day without etcd is some dozens of lines, and a few hundred at most when the reasons
// alternate, or when the condition comes and goes.

import type { Clock } from "./clock.ts";
import type { LogFields, Logger } from "./log.ts";

export interface Complaint {
  /**
   * The condition holds, for this reason; to be called again for as long as it does. Logged if the reason is new, or
   * its last word was long enough ago.
   */
  raise(reason: string, fields?: LogFields): void;
  /** The condition is over. Logged if it had been told. */
  settle(): void;
}

const FIRST_REPEAT = 60_000;
const LONGEST_REPEAT = 3_600_000;
/** Reasons that are remembered, each with intervals of its own. What comes after shares one. */
const MOST_REASONS = 8;
const OTHERS = "";

export function createComplaint(
  texts: { readonly raised: string; readonly settled: string },
  deps: { readonly clock: Clock; readonly log: Logger },
): Complaint {
  const isDue = createSchedule();
  let current: { readonly since: number; isTold: boolean } | null = null;
  let count = 0;
  return {
    raise(reason, fields = {}) {
      const now = deps.clock.monotonic();
      current ??= { since: now, isTold: false };
      count += 1;
      if (!isDue(reason, now)) return;
      current.isTold = true;
      deps.log.warn(texts.raised, count > 1 ? { ...fields, reason, count } : { ...fields, reason });
    },
    settle() {
      if (current?.isTold) {
        const ms = Math.round(deps.clock.monotonic() - current.since);
        deps.log.info(texts.settled, { count, ms });
        count = 0;
      }
      current = null;
    },
  };
}

/** Whether a reason is to be told now. It outlives the condition, so that one that comes and goes floods no log. */
function createSchedule(): (reason: string, now: number) => boolean {
  const told = new Map<string, { readonly nextAt: number; readonly interval: number }>();
  return (reason, now) => {
    for (const [name, { nextAt }] of told) if (now >= nextAt + LONGEST_REPEAT) told.delete(name);
    const name = told.has(reason) || told.size < MOST_REASONS ? reason : OTHERS;
    const last = told.get(name);
    if (last && now < last.nextAt) return false;
    const interval = last ? Math.min(last.interval * 2, LONGEST_REPEAT) : FIRST_REPEAT;
    told.set(name, { nextAt: now + interval, interval });
    return true;
  };
}
