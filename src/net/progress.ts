// What the reconciler knows between two passes: what it believes of the kernel, and what it tells.

import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { countKinds, createAccountant, doneOf, missingOf, type ReconcileAccount, repairsOf } from "./account.ts";
import type { ReconcileOptions } from "./agenda.ts";
import { describeObject, type NetKind, type NetObject } from "./objects.ts";
import { type Knowledge, NOTHING_KNOWN, type PassResult } from "./pass.ts";
import { createPassLog, troubleOf } from "./pass-log.ts";
import type { Plan } from "./plan.ts";
import { createTimetable, type PassEnd, type Timetable } from "./timetable.ts";

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

export interface Progress extends Pick<Timetable, "untilRead" | "suspect" | "demandReading" | "lastCleanReading"> {
  /** Decides whether a pass is due now, and of which kind. */
  begin(plan: Plan): "read" | "delta" | null;
  conclude(result: PassResult): void;
  /** The kernel could not be read: it is tried again after a delay, and believed nothing of until then. */
  postpone(reason: string): void;
  knowledge(): Knowledge;
  setOwn(trouble: string | null): void;
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

export function createProgress(deps: ProgressDeps, options: ReconcileOptions): Progress {
  const { clock, log } = deps;
  const passLog = createPassLog(log);
  const timetable = createTimetable(deps, options);
  const accountant = createAccountant();
  let knowledge = NOTHING_KNOWN;
  let status = BEFORE_FIRST_PASS;
  let missing: readonly NetObject[] = [];
  return {
    ...timetable,
    begin: (plan) => timetable.begin(plan, knowledge.attempted),
    knowledge: () => knowledge,
    status: () => status,
    account: () => accountant.read(knowledge),
    missing: () => missing,
    setOwn: (own) => {
      status = { ...status, own };
    },
    conclude(result) {
      const end = timetable.conclude(result);
      knowledge = result.knowledge;
      const gone = missingOf(knowledge);
      if (!hasSame(gone, missing)) missing = gone;
      accountant.add(result, clock.now(), end.took / 1000);
      status = { ...statusAfter(status, result, timetable.passes()), contested: contestedAfter(status, end, result) };
      passLog.report(result, end.took);
      if (end.fights && !end.fought) passLog.fight(result);
      if (end.fought && !end.fights) passLog.peace();
    },
    postpone(reason) {
      timetable.postpone();
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
function contestedAfter({ contested }: ReconcileStatus, { fights }: PassEnd, { ops }: PassResult): string | null {
  if (!fights) return null;
  return contested ?? (ops[0] ? describeObject(ops[0].object) : null);
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
