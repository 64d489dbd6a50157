// One fault, from its beginning until everything is as it was, and what was lost meanwhile.

import { type EpochMillis, type Millis, millis, seconds } from "../src/base/brand.ts";
import { systemClock } from "../src/base/clock.ts";
import { messageOf } from "../src/base/errors.ts";
import { type Condition, listTroubles, readCondition } from "./condition.ts";
import type { Fault } from "./fault.ts";
import { describeLosses, excuseOf, type Judgement, judgeLosses, type Timeline } from "./losses.ts";
import type { Step } from "./schedule.ts";
import type { SoakHost, World } from "./world.ts";

export interface Episode {
  readonly fault: string;
  /** "h2" */
  readonly host: string;
  /** Since the beginning of the story. */
  readonly at: Millis;
  readonly lasted: Millis;
  /** From when it was undone until everything was as before. */
  readonly recovery: Millis;
  readonly packets: Judgement;
}

export interface Scene {
  readonly world: World;
  readonly start: Condition;
}

export interface Outcome {
  /** Null when it did not come to its end. */
  readonly episode: Episode | null;
  /** In sentences: what is not as it was, */
  readonly damage: readonly string[];
  /** and what was lost that the fault may not cost. */
  readonly losses: readonly string[];
}

/** Throws only when aborted. */
export async function playEpisode(step: Step<Fault>, at: Millis, scene: Scene, signal: AbortSignal): Promise<Outcome> {
  const { fault } = step;
  const { world } = scene;
  const victim = world.hosts[step.host] as SoakHost;
  const host = victim.machine.name;
  const timeline = await play(step, victim, world, signal);
  if (typeof timeline === "string") {
    return { episode: null, damage: [`${fault.name} on ${host}: ${timeline}`], losses: [] };
  }
  const damage = await untilWell(fault.recovery, scene, signal);
  const well = systemClock.now();
  const { began, undone } = timeline;
  const heard = await world.listen(fault.kind === "underlay" ? later(well, undone + LINK_SETTLES) : well, signal);
  const packets = judgeLosses(heard, excuseOf(fault, world.backend, host, timeline));
  const [lasted, recovery] = [millis(undone - began), millis(well - undone)];
  return {
    episode: { fault: fault.name, host, at, lasted, recovery, packets },
    damage: [...damage, ...world.watch.violations].map((line) => `after ${fault.name} on ${host}: ${line}`),
    losses: describeLosses(packets.unexplained, began).map(
      (line) => `${fault.name} on ${host}: lost between pods: ${line}`,
    ),
  };
}

/** A link that is up again loses packets for a moment, which must not be counted against the next fault. */
const LINK_SETTLES = seconds(1);

function later(moment: EpochMillis, other: number): EpochMillis {
  return Math.max(moment, other) as EpochMillis;
}

/** Why it could not be done, when it could not. */
async function play(
  { fault, duration }: Step<Fault>,
  victim: SoakHost,
  world: World,
  signal: AbortSignal,
): Promise<Timeline | string> {
  const began = systemClock.now();
  try {
    const undo = await fault.inject(world, victim, signal);
    const injected = systemClock.now();
    await systemClock.sleep(duration, signal);
    const undoing = systemClock.now();
    await undo(signal);
    return { began, injected, undoing, undone: systemClock.now() };
  } catch (error) {
    signal.throwIfAborted();
    return messageOf(error);
  }
}

/** What is still not as it was at the end of the limit; none as soon as all is. Nobody starts a daemon that has ended. */
async function untilWell(limit: Millis, { world, start }: Scene, signal: AbortSignal): Promise<readonly string[]> {
  const end = systemClock.monotonic() + limit;
  for (;;) {
    const now = await readCondition(world, signal);
    const troubles = listTroubles(start, now);
    const isOver = systemClock.monotonic() >= end || now.hosts.some(({ running }) => !running);
    if (troubles.length === 0 || isOver) return troubles;
    await systemClock.sleep(LOOK_EVERY, signal);
  }
}

/** A look takes some twenty commands. */
const LOOK_EVERY = millis(250);
