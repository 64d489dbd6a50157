// The process edge: argv, environment, signals, exit status. The only file that may end the process.

import { realpathSync } from "node:fs";
import { dirname } from "node:path";
import { exitStatusOf, FlannelError } from "./base/errors.ts";
import type { Logger } from "./base/log.ts";
import type { Options } from "./cli/options.ts";
import { parseCommandLine } from "./cli.ts";
import { createJournal, printFailure } from "./journal.ts";
import { VERSION } from "./version.ts";

/** Work that is still not done this long after the first SIGTERM is left undone; the kernel state stays either way. */
const DRAIN_MILLIS = 5000;

async function main(): Promise<number> {
  const options = readCommandLine();
  if (typeof options === "number") return options;
  const log = createJournal(options.log);
  log.info("starting flanneld", { version: VERSION });
  const signal = stopOnSignals(log);
  try {
    // Loaded only now, so that the line above does not wait for the etcd client.
    const [{ runDaemon }, { openPorts }] = await Promise.all([import("./daemon.ts"), import("./real-ports.ts")]);
    await runDaemon(options, openPorts(log, installDirectory()), signal);
  } catch (error) {
    if (!signal.aborted) return fail(error, log);
  }
  log.info("stopped; the kernel's state stays as it is");
  return 0;
}

/** An exit status means that there is nothing to run. */
function readCommandLine(): Options | number {
  try {
    const command = parseCommandLine(process.argv.slice(2), process.env);
    if (command.kind === "run") return command.options;
    process.stdout.write(`${command.text}\n`);
    return 0;
  } catch (error) {
    printFailure(error);
    return exitStatusOf(error);
  }
}

function fail(error: unknown, log: Logger): number {
  const status = exitStatusOf(error);
  if (error instanceof FlannelError) log.error("flanneld cannot go on", { reason: error.message });
  else printFailure(error);
  return status;
}

/** The first SIGTERM or SIGINT stops in order; a second one, or a drain that takes too long, ends the process at once. */
function stopOnSignals(log: Logger): AbortSignal {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(0);
    log.info("stopping", { signal: name });
    controller.abort(new Error(`stopped by ${name}`));
    setTimeout(() => process.exit(0), DRAIN_MILLIS).unref();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  return controller.signal;
}

/** Where the program and its native addon are installed, also when started through a symbolic link. */
function installDirectory(): string {
  return dirname(realpathSync(process.argv[1] ?? "."));
}

void main().then((status) => process.exit(status));
