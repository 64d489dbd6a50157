// npm run soak: the process edge: arguments, signals, what is printed, exit status.

import { join } from "node:path";
import { saveLogs } from "../demo/logs.ts";
import { abortOnSignals } from "../lab/interrupts.ts";
import { messageOf } from "../src/base/errors.ts";
import { systemRandom } from "../src/base/random.ts";
import { createStyle } from "../src/base/terminal-text.ts";
import { FAULTS } from "./faults.ts";
import { HELP, parseSoakCommand, type SoakCommand, type SoakOptions } from "./options.ts";
import { createProgress, type Progress } from "./progress.ts";
import { formatBegin, formatEpisode, formatFaults, formatStory, formatTrouble, toJson } from "./report.ts";
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
  const stream = options.json ? process.stderr : process.stdout;
  const progress = createProgress(stream, createStyle(stream, process.env));
  const signal = abortOnSignals();
  try {
    progress.say(describeRun(options));
    for (const backend of options.backends) {
      const story = await tellStory(backend, options, createDeps(progress), signal);
      stories.push(story);
      for (const line of formatTrouble(story)) progress.print(line);
      if (story.troubles.length > 0 || story.interrupted) break;
    }
  } catch (error) {
    if (!signal.aborted) {
      progress.say(`soak failed with seed ${options.seed}: ${messageOf(error)}`);
      return FAILED;
    }
  }
  if (signal.aborted) progress.say("stopped; all of it is taken down");
  report(stories, options, progress);
  if (stories.some(({ troubles }) => troubles.length > 0)) return BROKEN;
  return signal.aborted ? INTERRUPTED : 0;
}

function describeRun({ seed, minutes, rounds, backends, members, firewall }: SoakOptions): string {
  const etcd = members === 1 ? "one etcd" : `an etcd of ${members} members`;
  const time = rounds === null ? `${minutes} min` : `every fault ${rounds === 1 ? "once" : `${rounds} times`}`;
  return `seed ${seed}, ${time} for each of ${backends.join(", ")}, ${etcd}, rules in ${firewall}`;
}

/** Also what there is of one that was interrupted. */
function report(stories: readonly Story[], { json }: SoakOptions, progress: Progress): void {
  if (stories.length === 0) return;
  if (json) {
    console.log(JSON.stringify(toJson(stories), null, 2));
    return;
  }
  const style = createStyle(process.stdout, process.env);
  for (const story of stories) for (const line of formatStory(story, style)) progress.print(line);
}

function createDeps(progress: Progress): StoryDeps {
  return {
    progress: progress.say,
    onBegin: ({ fault, duration }, host, left) => progress.show(formatBegin(fault.name, host, duration, left)),
    onEpisode: (episode) => progress.say(formatEpisode(episode)),
    onTrouble: (topology) => {
      const [log] = saveLogs(topology, LOG_DIRECTORY);
      if (log) progress.say(`whole logs are in ${join(log.path, "..")}`);
    },
  };
}

void main().then((status) => process.exit(status));
