// What keeps the host from its work, and what is not as it should be, as events: when it begins and when it is over. That a
// reason changes while it lasts is no transition.

import type { EventRing } from "./events.ts";
import type { CheckStatus } from "./readiness.ts";

const TEXTS = {
  checks: { begun: "the host is not ready", over: "what kept the host from being ready is over" },
  degraded: { begun: "the host is degraded", over: "what degraded the host is over" },
} as const;

/** As of readiness. */
export interface ToldChecks {
  readonly checks: readonly CheckStatus[];
  readonly degraded: readonly CheckStatus[];
}

/** Returns what is to be called now and then. Of the first call nothing is told: a start has its own events. */
export function createCheckEvents(events: EventRing): (readiness: ToldChecks) => void {
  let before: ReadonlyMap<string, boolean> | null = null;
  return (readiness) => {
    const now = new Map<string, boolean>();
    for (const list of ["checks", "degraded"] as const) {
      for (const check of readiness[list]) {
        const key = `${list} ${check.name}`;
        const isFailing = check.reason !== null;
        if (before !== null && (before.get(key) ?? false) !== isFailing) tell(list, check, events);
        now.set(key, isFailing);
      }
    }
    before = now;
  };
}

function tell(list: keyof typeof TEXTS, { name, reason }: CheckStatus, events: EventRing): void {
  if (reason === null) events.record("info", TEXTS[list].over, { check: name });
  else events.record("warn", TEXTS[list].begun, { check: name, reason });
}
