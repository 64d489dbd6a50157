// npm run bench:datapath: what the data path costs, between the pods of two hosts, over each backend and over the same
// kernel objects made by hand. This file is the process edge: arguments, signals, what is printed, exit status.

import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, release } from "node:os";
import { dirname, resolve } from "node:path";
import { messageOf } from "../src/base/errors.ts";
import { createStyle } from "../src/base/terminal-text.ts";
import { type Progress, runBenchmark, USAGE } from "./command.ts";
import { drawChart } from "./datapath/chart.ts";
import { toJson } from "./datapath/json.ts";
import { type DatapathCommand, type DatapathOptions, HELP, parseDatapathCommand } from "./datapath/options.ts";
import { formatFigures } from "./datapath/report.ts";
import { runRounds } from "./datapath/rounds.ts";
import { exitStatus, judge } from "./datapath/targets.ts";
import { formatVerdicts } from "./tables.ts";

async function main(): Promise<number> {
  const command = readCommand();
  switch (command?.kind) {
    case undefined:
      return USAGE;
    case "help":
      console.log(HELP);
      return 0;
    case "run":
      return await runBenchmark((progress, signal) => measureAndReport(command.options, progress, signal));
  }
}

function readCommand(): DatapathCommand | null {
  try {
    const command = parseDatapathCommand(process.argv.slice(2), process.env);
    if (command.kind === "help" || command.options.peer === null) return command;
    return { ...command, options: { ...command.options, peer: findProgram(command.options.peer) } };
  } catch (error) {
    console.error(`bench: ${messageOf(error)}`);
    return null;
  }
}

function findProgram(path: string): string {
  const program = resolve(path);
  try {
    accessSync(program, constants.X_OK);
  } catch (error) {
    throw new Error(`PEER=${path}: this is no program that can be run: ${messageOf(error)}`);
  }
  return program;
}

async function measureAndReport(options: DatapathOptions, progress: Progress, signal: AbortSignal): Promise<number> {
  const { rounds, seconds, chart, json } = options;
  const conditions = describeConditions(options);
  progress(conditions);
  const results = await runRounds(options, progress, signal);
  const verdicts = judge(results, options.peer !== null);
  mkdirSync(dirname(chart), { recursive: true });
  const subtitle = rounds > 1 ? `${conditions}; thin lines: lowest to highest round` : conditions;
  writeFileSync(chart, drawChart(results, { title: "What the data path costs", subtitle }));
  if (json) {
    console.log(JSON.stringify(toJson({ conditions, rounds, seconds, results, verdicts }), null, 2));
  } else {
    const style = createStyle(process.stdout, process.env);
    for (const line of [...formatFigures(results, style), ...formatVerdicts(verdicts, style)]) console.log(line);
    console.log(`\nchart: ${chart}`);
  }
  return exitStatus(results, verdicts);
}

/** What a figure means depends on this. */
function describeConditions({ rounds, seconds, congestion }: DatapathOptions): string {
  const control = congestion ?? readFileSync("/proc/sys/net/ipv4/tcp_congestion_control", "utf8").trim();
  const machine = `${availableParallelism()} processors, kernel ${release()}, TCP ${control}`;
  const method = `median of ${rounds} ${rounds === 1 ? "round" : "rounds"}, ${seconds} s a measurement`;
  return `two hosts on one machine (${machine}); ${method}`;
}

void main().then((status) => process.exit(status));
