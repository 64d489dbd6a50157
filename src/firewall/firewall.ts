// Keeps the host's firewall rules as they shall be: looks at them at an interval, when somebody pokes, and when the kernel
// says that they may have changed; writes only what differs. Whatever goes wrong is tried again and never stops the rest.

import { delays } from "../base/backoff.ts";
import { type Millis, millis, minutes } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { createComplaint } from "../base/complaint.ts";
import { createDoorbell, type Doorbell, waitAtMost, waitOutBurst } from "../base/doorbell.ts";
import { isError } from "../base/errors.ts";
import type { Family } from "../base/ip.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { runTasks, type Task } from "../base/tasks.ts";
import { createWaiters } from "../base/waiters.ts";
import { concernsOurRules, hearRules, type RuleGeneration, type RuleListener, type WatchRules } from "./hints.ts";
import type { FirewallTools } from "./open.ts";
import type { Place } from "./place.ts";
import { NO_RULES, type RuleSet } from "./rule.ts";
import { createRuleLog, type RuleLog } from "./rule-log.ts";
import type { IsOurs } from "./settle-chain.ts";

export interface FirewallView {
  /** The same object as long as the rules are the same. */
  rules(family: Family): RuleSet;
  readonly isOurs: IsOurs;
}

export interface FirewallStatus {
  /** How often the rules were looked at, written, and among that put back after somebody else. */
  readonly checks: number;
  readonly written: number;
  readonly repaired: number;
}

export interface Firewall {
  /** What the rules follow from may have changed. */
  poke(): void;
  run: Task;
  /** Resolves once the rules were tried for the first time, whatever came of it. */
  tried(signal: AbortSignal): Promise<void>;
  /** Why the rules are not as they shall be; null when they are. */
  trouble(): string | null;
  status(): FirewallStatus;
}

export interface FirewallDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly watchRules: WatchRules;
  readonly ruleGeneration: RuleGeneration;
}

/** How soon what failed is tried again. */
const RETRY = { first: millis(500), max: millis(30_000) };
/** The same for rules that an earlier config has left elsewhere: they are in nobody's way. */
const CLEAN_RETRY = { first: millis(1000), max: minutes(10) };
/** Whoever reloads a firewall writes many rules; to put ours back in the middle of it would be in vain. */
const BURST = { quiet: millis(200), latest: millis(1000) };
/** How often rules are looked at whose changes are announced: one might be missed. */
const SWEEP = minutes(1);
/** How often nothing is looked for where no rules are wanted. */
const IDLE = minutes(60);

const WORDS = { raised: "cannot keep the firewall rules", settled: "the firewall rules are kept again" } as const;

export function createFirewall(view: FirewallView, tools: FirewallTools, resync: Millis, deps: FirewallDeps): Firewall {
  const bell = createDoorbell();
  const waiters = createWaiters();
  const log = createRuleLog(deps.log);
  let status: FirewallStatus = { checks: 0, written: 0, repaired: 0 };
  const count = (outcome: Outcome) => {
    status = counted(status, outcome);
  };
  let tried = false;
  let trouble: string | null = null;
  let listening = false;
  const interval = () => intervalOf(view, tools, listening, resync);
  const ears: RuleListener = {
    onListening() {
      listening = true;
    },
    onHint: (hint) => concernsOurRules(hint) && bell.ring("hint"),
    onDeaf: (reason) => deps.log.info("changes of firewall rules are seen at the next check only", { reason }),
  };
  const hear = (signal: AbortSignal) => hearRules(deps.watchRules, ears, signal);
  const onTried = (reason: string | null) => {
    trouble = reason;
    tried = true;
    waiters.check();
  };
  const keepers = tools.places.map((place) => createKeeper(place, view, deps.ruleGeneration, count, log));
  const keep = (signal: AbortSignal) => keepTrying(keepers, { interval, onTried }, bell, deps, signal);
  const clean = async (signal: AbortSignal) => {
    await waiters.until(() => tried, signal);
    await cleanFormer(view, tools, log, deps, signal);
    await waiters.until(() => false, signal);
  };
  return {
    poke: () => keepers.some(({ isOvertaken }) => isOvertaken()) && bell.ring("poke"),
    run: (signal) => runTasks({ keep, clean, hear }, signal),
    tried: (signal) => waiters.until(() => tried, signal),
    trouble: () => trouble,
    status: () => status,
  };
}

function intervalOf(view: FirewallView, { places }: FirewallTools, isListening: boolean, resync: Millis): Millis {
  if (places.every(({ family }) => isEmpty(view.rules(family)))) return IDLE;
  const isAnnounced = isListening && places.every(({ announced }) => announced);
  return isAnnounced ? millis(Math.max(resync, SWEEP)) : resync;
}

type Outcome = "same" | "written" | "repaired";

function counted({ checks, written, repaired }: FirewallStatus, outcome: Outcome): FirewallStatus {
  return {
    checks: checks + 1,
    written: written + (outcome === "same" ? 0 : 1),
    repaired: repaired + (outcome === "repaired" ? 1 : 0),
  };
}

interface Keeper {
  /** Throws `firewall.failed`. */
  keep(signal: AbortSignal): Promise<void>;
  /** Other rules are wanted than those that were tried last. With thousands of peers each change of one asks this. */
  isOvertaken(): boolean;
}

interface Round {
  /** Until all are tried again when nothing happens and nothing is wrong. */
  readonly interval: () => Millis;
  /** All were tried; the reason why one has failed, null when none has. */
  readonly onTried: (trouble: string | null) => void;
}

async function keepTrying(
  keepers: readonly Keeper[],
  { interval, onTried }: Round,
  bell: Doorbell,
  deps: FirewallDeps,
  signal: AbortSignal,
): Promise<void> {
  const complaint = createComplaint(WORDS, deps);
  let retry: Generator<Millis, never> | null = null;
  for (;;) {
    const trouble = await firstTrouble(keepers, signal);
    if (trouble === null) complaint.settle();
    else complaint.raise(trouble);
    onTried(trouble);
    retry = trouble === null ? null : (retry ?? delays({ ...RETRY, random: deps.random }));
    const rung = await waitAtMost(retry?.next().value ?? interval(), bell, deps.clock, signal);
    if (rung.has("hint")) await waitOutBurst(BURST, bell, deps.clock, signal);
  }
}

function createKeeper(
  place: Place,
  view: FirewallView,
  ruleGeneration: RuleGeneration,
  count: (outcome: Outcome) => void,
  log: RuleLog,
): Keeper {
  let tried: RuleSet | null = null;
  let kept: RuleSet | null = null;
  /** As it was before the rules were found to be as wanted. */
  let sound: number | null = null;
  return {
    isOvertaken: () => view.rules(place.family) !== tried,
    async keep(signal) {
      const want = view.rules(place.family);
      tried = want;
      const generation = place.announced ? ruleGeneration() : null;
      if (generation !== null && generation === sound && kept === want) return count("same");
      sound = null;
      const settled = await place.settle(want, view.isOurs, signal);
      if (settled === null) return;
      sound = settled.changed ? null : generation;
      const repair = settled.changed && kept === want;
      count(repair ? "repaired" : settled.changed ? "written" : "same");
      log.settled(place.name, want, { ...settled, repair, first: kept === null });
      kept = want;
    },
  };
}

/** Why one of the places is not as it shall be; the others are tried all the same. */
async function firstTrouble(keepers: readonly Keeper[], signal: AbortSignal): Promise<string | null> {
  let trouble: string | null = null;
  for (const keeper of keepers) {
    const reason = await failureOf(() => keeper.keep(signal));
    trouble ??= reason;
  }
  return trouble;
}

async function failureOf(work: () => Promise<void>): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (isError(error, "firewall.failed")) return error.message;
    throw error;
  }
}

/** Only after the new rules were tried, so that a host that changes its mode is not without rules in between. */
async function cleanFormer(
  view: FirewallView,
  tools: FirewallTools,
  log: RuleLog,
  deps: FirewallDeps,
  signal: AbortSignal,
): Promise<void> {
  const complaint = createComplaint(
    {
      raised: "cannot remove firewall rules of an earlier config",
      settled: "firewall rules of an earlier config are gone",
    },
    deps,
  );
  let places: readonly Place[] | null = null;
  for (const delay of delays({ ...CLEAN_RETRY, random: deps.random })) {
    const left: Place[] = [];
    const trouble = await failureOf(async () => {
      places ??= await tools.former(signal);
      for (const place of places) {
        const reason = await failureOf(async () => {
          const settled = await place.settle(NO_RULES, view.isOurs, signal);
          if (settled?.changed) log.cleaned(place.name);
        });
        if (reason === null) continue;
        left.push(place);
        complaint.raise(reason, { tool: place.name });
      }
      places = left;
    });
    if (trouble !== null) complaint.raise(trouble);
    else if (left.length === 0) return complaint.settle();
    await deps.clock.sleep(delay, signal);
  }
}

function isEmpty({ masquerade, forward }: RuleSet): boolean {
  return masquerade.length === 0 && forward.length === 0;
}
