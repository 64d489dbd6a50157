// The soak itself: one fault after another until the time is over. After each, everything must be as it was, and no
// packet lost that the fault may not cost.

import { lastLines } from "../demo/logs.ts";
import type { Topology } from "../lab/topology.ts";
import { waitFor } from "../lab/wait.ts";
import { type EpochMillis, type Millis, millis, minutes, seconds } from "../src/base/brand.ts";
import { systemClock } from "../src/base/clock.ts";
import { messageOf } from "../src/base/errors.ts";
import { type Condition, listTroubles, readCondition } from "./condition.ts";
import type { Fault } from "./fault.ts";
import { describeLosses, excuseOf, type Judgement, judgeLosses } from "./losses.ts";
import type { SoakOptions } from "./options.ts";
import { planSchedule, type Step } from "./schedule.ts";
import { openSoakTopology, openWorld, type SoakHost, type World } from "./world.ts";

/** One fault, from its beginning until all was well. */
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

export interface Story {
  readonly backend: string;
  readonly seed: number;
  readonly members: number;
  readonly episodes: readonly Episode[];
  /** Changes of records that were judged. */
  readonly changes: number;
  /** What broke the promise, in sentences; none when all held. */
  readonly troubles: readonly string[];
  /** Of the logs, when something broke. */
  readonly lastLines: readonly string[];
}

export interface StoryDeps {
  readonly progress: (line: string) => void;
  readonly onEpisode: (episode: Episode) => void;
  /** Called before all is taken down when something broke. */
  readonly onTrouble: (topology: Topology) => void;
}

/** Throws when the lab itself fails, and the signal's reason when aborted. Nothing is left in any case. */
export async function tellStory(
  backend: string,
  options: SoakOptions,
  deps: StoryDeps,
  signal: AbortSignal,
): Promise<Story> {
  await using topology = await openSoakTopology(signal);
  const world = await openWorld(topology, backend, options.members, deps.progress, signal);
  const start = await readStart(world, signal);
  const episodes: Episode[] = [];
  const began = systemClock.monotonic();
  const end = began + minutes(options.minutes);
  let troubles: readonly string[] = [];
  for (const step of planSchedule(options.faults, world.hosts.length, options.seed)) {
    if (systemClock.monotonic() >= end) break;
    const outcome = await playEpisode(step, millis(systemClock.monotonic() - began), { world, start }, signal);
    if (outcome.episode) episodes.push(outcome.episode);
    if (outcome.episode) deps.onEpisode(outcome.episode);
    troubles = outcome.troubles;
    if (troubles.length > 0) break;
  }
  if (troubles.length > 0) deps.onTrouble(topology);
  return {
    backend,
    seed: options.seed,
    members: options.members,
    episodes,
    changes: world.watch.events(),
    troubles,
    lastLines: troubles.length > 0 ? lastLines(topology) : [],
  };
}

/** How long the lab may take until nothing is changing any more. */
const START_LIMIT = seconds(60);

/** As a healthy cluster looks, which is what every later look is compared with. Forgets the pings until then. */
async function readStart(world: World, signal: AbortSignal): Promise<Condition> {
  const look = async () => {
    const condition = await readCondition(world, signal);
    return listTroubles(condition, condition).length === 0 ? condition : null;
  };
  const start = await waitFor("a healthy cluster", look, START_LIMIT, signal);
  await world.listen(systemClock.now(), signal);
  return start;
}

interface Scene {
  readonly world: World;
  readonly start: Condition;
}

interface Outcome {
  /** Null when it did not come to its end. */
  readonly episode: Episode | null;
  readonly troubles: readonly string[];
}

async function playEpisode(step: Step<Fault>, at: Millis, scene: Scene, signal: AbortSignal): Promise<Outcome> {
  const { fault, duration } = step;
  const { world } = scene;
  const victim = world.hosts[step.host] as SoakHost;
  const began = systemClock.now();
  try {
    const undo = await fault.inject(world, victim, signal);
    await systemClock.sleep(duration, signal);
    await undo(signal);
  } catch (error) {
    signal.throwIfAborted();
    return { episode: null, troubles: [`${fault.name} on ${victim.machine.name}: ${messageOf(error)}`] };
  }
  const undone = systemClock.now();
  const troubles = await untilWell(fault.recovery, scene, signal);
  const well = systemClock.now();
  const packets = judgeLosses(await world.listen(well, signal), excuseOf(fault.mayLose(world.backend), began, undone));
  const host = victim.machine.name;
  const [lasted, recovery] = [millis(undone - began), millis(well - undone)];
  const episode = { fault: fault.name, host, at, lasted, recovery, packets };
  return { episode, troubles: [...troubles, ...world.watch.violations, ...tellLosses(packets, began)] };
}

function tellLosses({ unexplained }: Judgement, began: EpochMillis): readonly string[] {
  return describeLosses(unexplained, began).map((line) => `lost between pods: ${line}`);
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
