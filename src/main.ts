// The process edge: argv, environment, signals, exit status. The only file that may end the process.

import { setMaxListeners } from "node:events";
import { realpathSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { systemClock } from "./base/clock.ts";
import { exitStatusOf, FlannelError, isError } from "./base/errors.ts";
import type { Logger } from "./base/log.ts";
import type { Options } from "./cli/options.ts";
import { asksForJson } from "./cli/verbs.ts";
import { type CommandLine, parseCommandLine } from "./cli.ts";
import type { LogSink } from "./journal-sink.ts";
import type { NativeAddon } from "./native/native.ts";
import { failureJson } from "./operator/failure.ts";
import type { Verb } from "./operator/verb.ts";
import { VERBS } from "./operator/verbs.ts";
import { readSettingsFiles } from "./settings-files.ts";
import { createEventRing, recordingLogger } from "./status/events.ts";
import { VERSION } from "./version.ts";

/** Work that is still not done this long after the first SIGTERM is left undone; the kernel state stays either way. */
const DRAIN_MILLIS = 5000;

async function main(): Promise<number> {
  const command = await readCommandLine();
  switch (command.kind) {
    case "refused":
      return command.status;
    case "help":
    case "version":
      return await print(command.text);
    case "verb":
      return await runVerb(command);
    case "run":
      return await runDaemonWith(command.options);
  }
}

async function runDaemonWith(options: Options): Promise<number> {
  // Of all that a command does not need, the journal takes longest to load.
  const [{ createJournal, openStandardError }, { installedNative }] = await Promise.all([
    import("./journal.ts"),
    import("./native/native.ts"),
  ]);
  const [{ endNotesAt }, { runInstance }] = await Promise.all([import("./leave-note.ts"), import("./run-instance.ts")]);
  let native: NativeAddon | null = null;
  const output = openStandardError(() => {
    native ??= installedNative(installDirectory());
    return native;
  });
  const { sink, trouble: logTrouble } = output;
  process.on("exit", sink.finish);
  const journal = createJournal(options.log, { ...output, clock: systemClock });
  const events = createEventRing({ clock: systemClock });
  const log = recordingLogger(journal, events);
  nameProcess();
  log.info("starting flanneld", { version: VERSION });
  const signal = stopOnSignals(log);
  // Loaded only now, so that the line above does not wait for the etcd client.
  const loading = loadDaemon().then(([{ runDaemon }, { openPorts }]) => {
    const ports = openPorts({ log, logLevel: journal.level, logTrouble, events }, installDirectory());
    return { lockInstance: ports.lockInstance, run: () => runDaemon(options, ports, signal) };
  });
  const { prefix } = options.etcd;
  const instance = {
    lock: async () => (await loading).lockInstance(prefix),
    run: async () => (await loading).run(),
    ends: endNotesAt({ socket: options.controlSocket, prefix }),
    fail: (error: unknown) => fail(error, log, sink),
  };
  const status = await runInstance(instance, signal);
  if (status !== null) return status;
  log.info("stopped; the kernel's state stays as it is");
  return 0;
}

/** Exported for packaging/compile-ahead.ts alone. */
export function loadDaemon() {
  return Promise.all([import("./daemon.ts"), import("./real-ports.ts")]);
}

/** Kernel: ps and the OOM killer show this and not the arguments. Node calls its main thread by a name of its own. */
function nameProcess(): void {
  try {
    writeFileSync("/proc/self/comm", "flanneld");
  } catch {
    // Without /proc nobody looks, either.
  }
}

type Task = CommandLine<Verb> | { readonly kind: "refused"; readonly status: number };

async function readCommandLine(): Promise<Task> {
  const argv = process.argv.slice(2);
  try {
    return parseCommandLine(argv, process.env, VERBS, readSettingsFiles);
  } catch (error) {
    return { kind: "refused", status: await failCommand(error, asksForJson(argv, VERBS)) };
  }
}

async function print(text: string): Promise<number> {
  const { openOperatorPorts, flushOutput } = await import("./operator-ports.ts");
  try {
    openOperatorPorts(installDirectory()).out.write(`${text}\n`);
    await flushOutput();
    return 0;
  } catch (error) {
    return await tellFailure(error);
  }
}

/** A command writes in one transaction or not at all, so that it can be interrupted at any time. */
async function runVerb({ verb, call }: Extract<CommandLine<Verb>, { kind: "verb" }>): Promise<number> {
  const controller = new AbortController();
  // Node warns of more than ten, and there are some for each daemon or peer that is asked.
  setMaxListeners(0, controller.signal);
  let status = 0;
  const interrupt = (name: NodeJS.Signals, number: number) => {
    if (controller.signal.aborted) process.exit(status);
    status = 128 + number;
    controller.abort(new Error(`interrupted by ${name}`));
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  try {
    const { openOperatorPorts, flushOutput } = await import("./operator-ports.ts");
    const done = await verb.run(call, openOperatorPorts(installDirectory()), controller.signal);
    await flushOutput();
    return done;
  } catch (error) {
    return controller.signal.aborted ? status : await failCommand(error, call.json);
  }
}

/** A program that has asked for JSON gets some whatever happens. */
async function failCommand(error: unknown, json: boolean): Promise<number> {
  const status = await tellFailure(error);
  if (json && !isError(error, "output.failed")) await print(JSON.stringify(failureJson(error), null, 2));
  return status;
}

async function fail(error: unknown, log: Logger, sink: LogSink): Promise<number> {
  if (!(error instanceof FlannelError)) return await tellFailure(error, sink);
  log.error("flanneld cannot go on", { reason: error.message });
  return exitStatusOf(error);
}

async function tellFailure(error: unknown, sink?: LogSink): Promise<number> {
  const { printFailure } = await import("./journal.ts");
  printFailure(error, sink);
  return exitStatusOf(error);
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

/**
 * Where the program and its native addons are installed, also when started through a symbolic link. Node: in a single
 * executable the second word is what was typed, which need not be a path.
 */
function installDirectory(): string {
  const [, program = ""] = process.argv;
  return dirname(realpathSync(program.endsWith(".cjs") ? program : process.execPath));
}

void main().then((status) => process.exit(status));
