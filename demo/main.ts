// The demo's process edge: arguments, signals, what is printed, exit status.

import { join } from "node:path";
import { CLONE, cloneOf, isKept, listRuns, takeDown } from "../lab/cleanup.ts";
import { abortOnSignals } from "../lab/interrupts.ts";
import { systemClock } from "../src/base/clock.ts";
import { messageOf } from "../src/base/errors.ts";
import { createStyle } from "../src/base/terminal-text.ts";
import { type DemoCommand, type DemoOptions, HELP, parseDemoCommand } from "./options.ts";
import { DemoFailed, runDemo } from "./scenario.ts";

const FAILED = 1;
const USAGE = 64;
const INTERRUPTED = 130;

/** This file runs from dist/demo. */
const LOG_DIRECTORY = join(import.meta.dirname, "../../build/demo-logs");

async function main(): Promise<number> {
  const command = readCommand();
  switch (command?.kind) {
    case undefined:
      return USAGE;
    case "help":
      console.log(HELP);
      return 0;
    case "down":
      return takeDownKept(command.name);
    case "run":
      return await demonstrate(command.options);
  }
}

function readCommand(): DemoCommand | null {
  try {
    return parseDemoCommand(process.argv.slice(2));
  } catch (error) {
    console.error(`demo: ${messageOf(error)}`);
    return null;
  }
}

async function demonstrate(options: DemoOptions): Promise<number> {
  const style = createStyle(process.stdout, process.env);
  const start = systemClock.monotonic();
  const print = (line: string) => console.log(line);
  const progress = (line: string) => {
    const elapsed = ((systemClock.monotonic() - start) / 1000).toFixed(1).padStart(5);
    print(`${style.faint(`[${elapsed} s]`)} ${line}`);
  };
  const signal = abortOnSignals();
  try {
    await runDemo(options, { progress, print, style, logDirectory: LOG_DIRECTORY }, signal);
    if (options.web) progress("the page is closed; all of it is taken down");
    return 0;
  } catch (error) {
    if (signal.aborted) {
      progress("stopped; all of it is taken down");
      return INTERRUPTED;
    }
    console.error(`demo failed: ${messageOf(error)}`);
    if (error instanceof DemoFailed) console.error(error.lastLines.join("\n"));
    return FAILED;
  }
}

/** `wanted`: null for all of this clone. Those of others are named and go on. */
function takeDownKept(wanted: string | null): number {
  const kept = listRuns().filter(isKept);
  const meant = kept.filter((name) => (wanted === null ? cloneOf(name) === CLONE : name === wanted));
  for (const name of meant) {
    takeDown(name);
    console.log(`took ${name} down`);
  }
  const others = kept.filter((name) => !meant.includes(name));
  if (wanted !== null && meant.length === 0) {
    console.error(`demo: no kept demo is called ${wanted}; there is ${others.join(", ") || "none"}`);
    return FAILED;
  }
  if (meant.length === 0) console.log("nothing of this clone was left running");
  if (wanted === null) {
    for (const name of others)
      console.log(`${name} goes on, it is of ${cloneOf(name)}: npm run demo -- --down ${name}`);
  }
  return 0;
}

// What a kept demo runs would keep this process waiting for it.
void main().then((status) => process.exit(status));
