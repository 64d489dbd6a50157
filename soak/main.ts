// npm run soak: the process edge: arguments, signals, what is printed, exit status.

import { join } from "node:path";
import { saveLogs } from "../demo/logs.ts";
import { abortOnSignals } from "../lab/interrupts.ts";
import { systemClock } from "../src/base/clock.ts";
import { messageOf } from "../src/base/errors.ts";
import { systemRandom } from "../src/base/random.ts";
import { createStyle } from "../src/base/terminal-text.ts";
import { FAULTS } from "./faults.ts";
import { HELP, parseSoakCommand, type SoakCommand, type SoakOptions } from "./options.ts";
import { formatEpisode, formatFaults, formatStory, formatTrouble, toJson } from "./report.ts";
import { type Story, type StoryDeps, tellStory } from "./story.ts";

const BROKEN = 1;
const FAILED = 2;
const USAGE = 64;
const INTERRUPTED = 130;

/** This file runs from dist/soak. */
const LOG_DIRECTORY = join(import.meta.dirname, "../../build/soak-logs");

async function main(): Promise<number> {
  const command = readCommand();
  switch (command?.kind) {
    case undefined:
      return USAGE;
    case "help":
      console.log(HELP);
      return 0;
    case "list":
      for (const line of formatFaults(FAULTS)) console.log(line);
      return 0;
    case "run":
      return await soak(command.options);
  }
}

function readCommand(): SoakCommand | null {
  try {
    return parseSoakCommand(process.argv.slice(2), () => systemRandom.integer(1, 999_999));
  } catch (error) {
    console.error(`soak: ${messageOf(error)}`);
    return null;
  }
}

async function soak(options: SoakOptions): Promise<number> {
  const stories: Story[] = [];
  const say = options.json ? console.error : console.log;
  const deps = createDeps(say);
  const signal = abortOnSignals();
  try {
    deps.progress(describeRun(options));
    for (const backend of options.backends) {
      const story = await tellStory(backend, options, deps, signal);
      stories.push(story);
      for (const line of formatTrouble(story)) say(line);
      if (story.troubles.length > 0) break;
    }
  } catch (error) {
    if (signal.aborted) {
      deps.progress("stopped; all of it is taken down");
      return INTERRUPTED;
    }
    console.error(`soak failed with seed ${options.seed}: ${messageOf(error)}`);
    return FAILED;
  }
  report(stories, options);
  return stories.some(({ troubles }) => troubles.length > 0) ? BROKEN : 0;
}

function describeRun({ seed, minutes, backends, members }: SoakOptions): string {
  const etcd = members === 1 ? "one etcd" : `an etcd of ${members} members`;
  return `seed ${seed}, ${minutes} min for each of ${backends.join(", ")}, ${etcd}`;
}

function report(stories: readonly Story[], { json }: SoakOptions): void {
  if (json) {
    console.log(JSON.stringify(toJson(stories), null, 2));
    return;
  }
  const style = createStyle(process.stdout, process.env);
  for (const story of stories) for (const line of formatStory(story, style)) console.log(line);
}

function createDeps(say: (line: string) => void): StoryDeps {
  const style = createStyle(process.stdout, process.env);
  const start = systemClock.monotonic();
  const progress = (line: string) => {
    const elapsed = ((systemClock.monotonic() - start) / 1000).toFixed(1).padStart(6);
    say(`${style.faint(`[${elapsed} s]`)} ${line}`);
  };
  return {
    progress,
    onEpisode: (episode) => progress(formatEpisode(episode)),
    onTrouble: (topology) => {
      const [log] = saveLogs(topology, LOG_DIRECTORY);
      if (log) progress(`whole logs are in ${join(log.path, "..")}`);
    },
  };
}

void main().then((status) => process.exit(status));
