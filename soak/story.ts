// The soak itself: one fault after another until the time is over. After each, everything must be as it was, and no
// packet lost that the fault may not cost.

import { lastLines } from "../demo/logs.ts";
import type { Topology } from "../lab/topology.ts";
import { waitFor } from "../lab/wait.ts";
import { type Millis, millis, minutes, seconds } from "../src/base/brand.ts";
import { systemClock } from "../src/base/clock.ts";
import { type Condition, listTroubles, readCondition } from "./condition.ts";
import { type Episode, playEpisode, type Scene } from "./episode.ts";
import { type Fault, type Setting, suits } from "./fault.ts";
import type { SoakOptions } from "./options.ts";
import { planSchedule, type Step } from "./schedule.ts";
import { openSoakTopology, openWorld, type World } from "./world.ts";

export interface Story extends Setting {
  readonly seed: number;
  /** Of faults, as on the command line. */
  readonly choice: readonly string[];
  readonly episodes: readonly Episode[];
  /** Changes of records that were judged. */
  readonly changes: number;
  /** Somebody has ended it before its time. */
  readonly interrupted: boolean;
  /** What broke the promise, in sentences; none when all held. */
  readonly troubles: readonly string[];
  /** Of the logs, when something broke. */
  readonly lastLines: readonly string[];
}

export interface StoryDeps {
  readonly progress: (line: string) => void;
  /** What is being done to whom, and how much time is left. */
  readonly onBegin: (step: Step<Fault>, host: string, left: Left) => void;
  readonly onEpisode: (episode: Episode) => void;
  /** Called before all is taken down when something broke. */
  readonly onTrouble: (topology: Topology) => void;
}

/** How long it goes on at most, and how many faults are still to come after this one; null when that is not counted. */
export interface Left {
  readonly time: Millis;
  readonly turns: number | null;
}

/** Throws when the lab itself fails, and the signal's reason when aborted before it is up. Nothing is left in any case. */
export async function tellStory(
  backend: string,
  options: SoakOptions,
  deps: StoryDeps,
  signal: AbortSignal,
): Promise<Story> {
  const setting = { backend, members: options.members, firewall: options.firewall };
  await using topology = await openSoakTopology(signal);
  const world = await openWorld(topology, setting, deps.progress, signal);
  const scene = { world, start: await readStart(world, signal) };
  const told: Told = { episodes: [], troubles: [] };
  await tell(told, scene, options, deps, signal);
  if (told.troubles.length > 0) deps.onTrouble(topology);
  return {
    ...setting,
    ...told,
    seed: options.seed,
    choice: options.choice,
    changes: world.watch.events(),
    interrupted: signal.aborted,
    lastLines: told.troubles.length > 0 ? lastLines(topology) : [],
  };
}

/** How long the lab may take until nothing is changing any more. */
const START_LIMIT = seconds(60);

/** As a healthy cluster looks, which is what every later look is compared with. Forgets the pings until then. */
export async function readStart(world: World, signal: AbortSignal): Promise<Condition> {
  const look = async () => {
    const condition = await readCondition(world, signal);
    return listTroubles(condition, condition).length === 0 ? condition : null;
  };
  const start = await waitFor("a healthy cluster", look, START_LIMIT, signal);
  await world.listen(systemClock.now(), signal);
  return start;
}

interface Told {
  readonly episodes: Episode[];
  readonly troubles: string[];
}

/** Until the time is over, something broke, or the signal; what has happened until then is kept. */
async function tell(
  { episodes, troubles }: Told,
  scene: Scene,
  options: SoakOptions,
  deps: StoryDeps,
  signal: AbortSignal,
): Promise<void> {
  const began = systemClock.monotonic();
  for (const { step, left } of stepsUntilTheEnd(scene.world, options)) {
    deps.onBegin(step, scene.world.hosts[step.host]?.machine.name ?? "", left);
    const at = millis(systemClock.monotonic() - began);
    const outcome = await unlessAborted(playEpisode(step, at, scene, signal), signal);
    if (outcome === null) return;
    if (outcome.episode) {
      episodes.push(outcome.episode);
      deps.onEpisode(outcome.episode);
    }
    troubles.push(...outcome.damage, ...outcome.losses);
    if (outcome.damage.length > 0 || (outcome.losses.length > 0 && !options.keepGoing)) return;
  }
}

/** Of the faults that can happen there, until the time is over or each had its turns. */
function* stepsUntilTheEnd(
  world: World,
  { faults, minutes: length, rounds, seed }: SoakOptions,
): Generator<{ readonly step: Step<Fault>; readonly left: Left }> {
  const end = systemClock.monotonic() + minutes(length);
  const possible = faults.filter((fault) => suits(fault, world));
  let turns = rounds === null ? null : rounds * possible.length;
  for (const step of planSchedule(possible, world.hosts.length, seed)) {
    const time = millis(end - systemClock.monotonic());
    if (time <= 0 || turns === 0) return;
    if (turns !== null) turns--;
    yield { step, left: { time, turns } };
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}
