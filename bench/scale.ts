// npm run bench:scale: how flanneld and etcd carry thousands of hosts. This file is the process edge: arguments, what is
// printed, exit status.

import { availableParallelism, release } from "node:os";
import { messageOf } from "../src/base/errors.ts";
import { createStyle } from "../src/base/terminal-text.ts";
import { FAILED, type Progress, runBenchmark, USAGE } from "./command.ts";
import { measureSections } from "./scale/measure.ts";
import { HELP, parseScaleCommand, type ScaleCommand, type ScaleOptions } from "./scale/options.ts";
import { formatSections } from "./scale/report.ts";
import { exitStatus, judge } from "./scale/targets.ts";
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

function readCommand(): ScaleCommand | null {
  try {
    return parseScaleCommand(process.argv.slice(2));
  } catch (error) {
    console.error(`bench: ${messageOf(error)}`);
    return null;
  }
}

async function measureAndReport(options: ScaleOptions, progress: Progress, signal: AbortSignal): Promise<number> {
  const conditions = `${availableParallelism()} processors, kernel ${release()}, Node ${process.version}`;
  progress(conditions);
  const { figures, failures } = await measureSections(options, progress, signal);
  const verdicts = judge(figures);
  if (options.json) {
    console.log(JSON.stringify({ conditions, figures, targets: verdicts }, null, 2));
  } else {
    const style = createStyle(process.stdout, process.env);
    for (const line of [...formatSections(figures, style), ...formatVerdicts(verdicts, style)]) console.log(line);
  }
  return failures > 0 ? FAILED : exitStatus(verdicts);
}

void main().then((status) => process.exit(status));
