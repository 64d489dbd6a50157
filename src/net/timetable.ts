// Keeps the agenda of the one loop: which pass is due now, and when the kernel is read next.

import { delays } from "../base/backoff.ts";
import { type Millis, millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { type Agenda, afterPass, duePass, FIGHT_LIMIT, FIRST_AGENDA, hinted, type ReconcileOptions } from "./agenda.ts";
import type { PassResult } from "./pass.ts";
import type { Plan } from "./plan.ts";

export interface Timetable {
  /** Decides whether a pass is due now, and of which kind; given the plan of the last one. */
  begin(plan: Plan, attempted: Plan | null): "read" | "delta" | null;
  conclude(result: PassResult): PassEnd;
  /** The kernel could not be read: it is tried again after a delay. */
  postpone(): void;
  untilRead(): Millis;
  /** Somebody has changed the kernel. Kept also while a pass is under way that may have looked already. */
  suspect(): void;
  /** Makes the next pass a reading; returns its number. */
  demandReading(): number;
  /** The number of the last reading that found nothing to do. */
  lastCleanReading(): number;
  passes(): number;
}

export interface PassEnd {
  readonly took: Millis;
  /** Whether another agent is fighting with us, before and after the pass. */
  readonly fought: boolean;
  readonly fights: boolean;
}

export function createTimetable(deps: { clock: Clock; random: Random }, options: ReconcileOptions): Timetable {
  const { clock, random } = deps;
  const retry = createRetry(options, random);
  let agenda: Agenda = FIRST_AGENDA;
  let started = clock.monotonic();
  let passes = 0;
  let cleanReading = 0;
  let demanded = false;
  let suspected = false;
  return {
    passes: () => passes,
    lastCleanReading: () => cleanReading,
    untilRead: () => millis(Math.max(0, agenda.readAt - clock.monotonic())),
    suspect: () => {
      suspected = true;
    },
    demandReading: () => {
      demanded = true;
      return passes + 1;
    },
    begin(plan, attempted) {
      started = clock.monotonic();
      if (suspected) agenda = hinted(agenda, started);
      const kind = demanded ? "read" : duePass(agenda, plan, attempted, started);
      suspected = false;
      if (kind === null) return null;
      demanded = false;
      passes += 1;
      return kind;
    },
    conclude(result) {
      const now = clock.monotonic();
      const fought = agenda.fights >= FIGHT_LIMIT;
      agenda = afterPass(agenda, result, now, retry(result.failures.length > 0), options);
      if (result.kind === "read" && result.ops.length === 0) cleanReading = passes;
      return { took: millis(now - started), fought, fights: agenda.fights >= FIGHT_LIMIT };
    },
    postpone() {
      agenda = { ...agenda, readAt: clock.monotonic() + (retry(true) ?? options.retryMax), unverifiedSince: null };
    },
  };
}

/** The delay before what failed is tried again; null, and from the start again, when nothing failed. */
function createRetry(options: ReconcileOptions, random: Random): (failed: boolean) => Millis | null {
  let sequence: Generator<Millis, never> | null = null;
  return (failed) => {
    if (failed) sequence ??= delays({ first: options.retryFirst, max: options.retryMax, random });
    else sequence = null;
    return sequence?.next().value ?? null;
  };
}
