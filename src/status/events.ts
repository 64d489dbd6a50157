// The last transitions of the daemon, in memory: what it has logged at info and above, and what would be too much for the
// journal (each of a thousand peers that come). Whoever follows gets each event once, in order, or is told that it was too
// slow.

import type { Clock } from "../base/clock.ts";
import type { LogFields, Logger } from "../base/log.ts";

/** Plain data. */
export interface StatusEvent {
  /** Counts from 1; a gap means that events were dropped from memory before they were asked for. */
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly level: "error" | "warn" | "info";
  /** A constant sentence: equal ones are the same kind of transition. */
  readonly kind: string;
  readonly fields: LogFields;
}

export interface EventRing {
  record(level: StatusEvent["level"], kind: string, fields: LogFields): void;
  /** Those kept that came after `seq`, oldest first. */
  after(seq: number): readonly StatusEvent[];
  /** Calls back after each further event, until disposed of. Must cost nothing and not throw. */
  onEvent(listener: () => void): Disposable;
  counts(): { readonly recorded: number; readonly kept: number };
}

export const EVENTS_KEPT = 1000;

/** What is said of a question that afterOf does not understand. */
export const BAD_AFTER = "after must be the number of an event";

/** Of a question such as "?after=12": 0 when it names none, null when what it names is no number of an event. */
export function afterOf(query: URLSearchParams): number | null {
  const after = Number(query.get("after") || "0");
  return Number.isSafeInteger(after) && after >= 0 ? after : null;
}

export function createEventRing({ clock }: { readonly clock: Pick<Clock, "now"> }, keep = EVENTS_KEPT): EventRing {
  const events: StatusEvent[] = [];
  const listeners = new Set<() => void>();
  let seq = 0;
  return {
    record(level, kind, fields) {
      seq += 1;
      events.push({ seq, at: new Date(clock.now()).toISOString(), level, kind, fields });
      // Cut in large pieces: moving a thousand for each event would cost more than all else.
      if (events.length >= 2 * keep) events.splice(0, events.length - keep);
      for (const listener of listeners) listener();
    },
    after(wanted) {
      const kept = events.slice(-keep);
      const first = kept.findIndex((event) => event.seq > wanted);
      return first === -1 ? [] : kept.slice(first);
    },
    onEvent(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    counts: () => ({ recorded: seq, kept: Math.min(events.length, keep) }),
  };
}

/** A logger of which the ring hears everything but debug, whatever level the journal has. */
export function recordingLogger(log: Logger, ring: EventRing): Logger {
  const tee =
    (level: StatusEvent["level"]) =>
    (message: string, fields: LogFields = {}) => {
      ring.record(level, message, fields);
      log[level](message, fields);
    };
  return { error: tee("error"), warn: tee("warn"), info: tee("info"), debug: log.debug };
}
