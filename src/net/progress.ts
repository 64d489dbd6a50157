// What the reconciler knows between two passes: what it believes of the kernel, when it looks next, what it tells.

import { delays } from "../base/backoff.ts";
import { type Millis, millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { countKinds, createAccountant, doneOf, missingOf, type ReconcileAccount, repairsOf } from "./account.ts";
import { type Agenda, afterPass, duePass, FIGHT_LIMIT, FIRST_AGENDA, hinted, type ReconcileOptions } from "./agenda.ts";
import { describeObject, type NetKind, type NetObject } from "./objects.ts";
import { type Knowledge, NOTHING_KNOWN, type PassResult } from "./pass.ts";
import { createPassLog, troubleOf } from "./pass-log.ts";
import type { Plan } from "./plan.ts";

export interface ReconcileStatus {
  readonly passes: number;
  /** Objects of the last plan. */
  readonly wanted: number;
  /** Why our own device and addresses are not as planned; null when they are. */
  readonly own: string | null;
  /** Why the last pass left the kernel different from the plan; null when it is as planned. */
  readonly trouble: string | null;
  /** The kernel could not be read since: the rest is as old as the last pass. */
  readonly isStale: boolean;
  /** What another agent keeps undoing, which is therefore looked at less often; null when nobody does. */
  readonly contested: string | null;
  /** Operations applied since the start, and those of them that undid what somebody else did. */
  readonly applied: number;
  readonly repaired: number;
  /** The latter by kind of object; a kind of which there was none is missing. */
  readonly repairedKinds: ReadonlyMap<NetKind, number>;
}

const BEFORE_FIRST_PASS: ReconcileStatus = {
  passes: 0,
  wanted: 0,
  own: "nothing is programmed yet",
  trouble: "nothing is programmed yet",
  isStale: false,
  contested: null,
  applied: 0,
  repaired: 0,
  repairedKinds: new Map(),
};

export interface Progress {
  /** Decides whether a pass is due now, and of which kind. */
  begin(plan: Plan): "read" | "delta" | null;
  conclude(result: PassResult): void;
  /** The kernel could not be read: it is tried again after a delay, and believed nothing of until then. */
  postpone(reason: string): void;
  knowledge(): Knowledge;
  untilRead(): Millis;
  /** Somebody has changed the kernel. Kept also while a pass is under way that may have looked already. */
  suspect(): void;
  setOwn(trouble: string | null): void;
  /** Makes the next pass a reading; returns its number. */
  demandReading(): number;
  /** The number of the last reading that found nothing to do. */
  lastCleanReading(): number;
  status(): ReconcileStatus;
  /** What has been done since the start. Counts objects: not for every pass. */
  account(): ReconcileAccount;
  /** Wanted objects that are not in the kernel; the same array while that is so. */
  missing(): readonly NetObject[];
}

export interface ProgressDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export function createProgress({ clock, random, log }: ProgressDeps, options: ReconcileOptions): Progress {
  const passLog = createPassLog(log);
  const retry = createRetry(options, random);
  const accountant = createAccountant();
  let agenda: Agenda = FIRST_AGENDA;
  let knowledge = NOTHING_KNOWN;
  let status = BEFORE_FIRST_PASS;
  let started = clock.monotonic();
  let passes = 0;
  let cleanReading = 0;
  let demanded = false;
  let suspected = false;
  let missing: readonly NetObject[] = [];
  return {
    knowledge: () => knowledge,
    status: () => status,
    account: () => accountant.read(knowledge),
    missing: () => missing,
    lastCleanReading: () => cleanReading,
    untilRead: () => millis(Math.max(0, agenda.readAt - clock.monotonic())),
    suspect: () => {
      suspected = true;
    },
    setOwn: (own) => {
      status = { ...status, own };
    },
    demandReading: () => {
      demanded = true;
      return passes + 1;
    },
    begin(plan) {
      started = clock.monotonic();
      if (suspected) agenda = hinted(agenda, started);
      const kind = demanded ? "read" : duePass(agenda, plan, knowledge.attempted, started);
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
      knowledge = result.knowledge;
      const gone = missingOf(knowledge);
      if (!hasSame(gone, missing)) missing = gone;
      accountant.add(result, clock.now(), (now - started) / 1000);
      status = { ...statusAfter(status, result, passes), contested: contestedAfter(status, agenda, result) };
      if (result.kind === "read" && result.ops.length === 0) cleanReading = passes;
      passLog.report(result, now - started);
      const fights = agenda.fights >= FIGHT_LIMIT;
      if (fights && !fought) passLog.fight(result);
      if (fought && !fights) passLog.peace();
    },
    postpone(reason) {
      agenda = { ...agenda, readAt: clock.monotonic() + (retry(true) ?? options.retryMax), unverifiedSince: null };
      knowledge = { ...knowledge, certain: false };
      if (status.trouble !== reason) log.warn("cannot read the kernel's state", { reason });
      status = { ...status, trouble: reason, isStale: true };
    },
  };
}

function hasSame(a: readonly NetObject[], b: readonly NetObject[]): boolean {
  return a.length === b.length && a.every((object, index) => object === b[index]);
}

/** The first object that was fought over, for as long as that lasts. */
function contestedAfter({ contested }: ReconcileStatus, { fights }: Agenda, { ops }: PassResult): string | null {
  if (fights < FIGHT_LIMIT) return null;
  return contested ?? (ops[0] ? describeObject(ops[0].object) : null);
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

function statusAfter(status: ReconcileStatus, result: PassResult, passes: number): ReconcileStatus {
  const repairs = repairsOf(result);
  return {
    ...status,
    passes,
    wanted: result.plan.want.length,
    trouble: troubleOf(result),
    isStale: false,
    applied: status.applied + doneOf(result).length,
    repaired: status.repaired + repairs.length,
    repairedKinds: countKinds(
      repairs.map(({ object }) => object),
      status.repairedKinds,
    ),
  };
}
