// The built daemon, started on a host of the lab just as an operator would start it.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Millis, seconds } from "../src/base/brand.ts";
import { shellStatus, toolEnvironment } from "./run.ts";
import { inNamespace, type Machine } from "./topology.ts";
import { waitFor } from "./wait.ts";

/** This file runs from dist/lab; the launcher is two levels up. */
export const LAUNCHER = join(import.meta.dirname, "../../bin/flanneld");

/** The daemon leaves work undone 5 s after SIGTERM; what takes much longer than that, on a busy machine too, hangs. */
const STOP_LIMIT = seconds(30);
const READY_LIMIT = seconds(60);

export interface FlanneldOptions {
  readonly etcdEndpoints: readonly string[];
  /** More flags, as on the command line. */
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** No --iface: the default route decides. */
  readonly choosesInterface?: boolean;
  /** Instead of bin/flanneld. */
  readonly program?: string;
}

export interface Flanneld extends AsyncDisposable {
  readonly host: Machine;
  readonly pid: number;
  readonly subnetFile: string;
  readonly logFile: string;
  /** What this process has logged, in whole lines; the file also holds what those before it did. */
  log(): string;
  waitForLog(pattern: RegExp, limit: Millis, signal: AbortSignal): Promise<string>;
  /** Resolves when the daemon serves its host; throws at once when it has ended instead. */
  ready(signal: AbortSignal): Promise<void>;
  /** Resolves when the subnet file is there: for a program whose log we do not know. Throws at once when it has ended. */
  wroteSubnetFile(signal: AbortSignal): Promise<void>;
  running(): boolean;
  /** Resolves to the exit status once it has ended by itself. */
  ended(signal: AbortSignal): Promise<number>;
  /** SIGTERM; resolves to the exit status, as a shell counts it. */
  stop(signal: AbortSignal): Promise<number>;
  /** SIGKILL, as if the machine's memory had run out. */
  kill(signal: AbortSignal): Promise<void>;
}

export function startFlanneld(host: Machine, options: FlanneldOptions): Flanneld {
  const subnetFile = join(host.directory, "subnet.env");
  const logFile = join(host.directory, "flanneld.log");
  const start = existsSync(logFile) ? statSync(logFile).size : 0;
  const child = launch(host, logFile, commandOf(host, subnetFile, options), options.environment ?? {});
  const log = () => wholeLines(readFileSync(logFile).subarray(start), child);
  const { running, ended, whileRunning } = watchProcess(child, host, log);
  const end = (by: NodeJS.Signals, signal: AbortSignal) => {
    child.kill(by);
    return ended(signal);
  };
  const waitForLog = (pattern: RegExp, limit: Millis, signal: AbortSignal) => {
    const lines = () => log().split("\n");
    const look = () => lines().find((line) => pattern.test(line)) ?? null;
    return whileRunning(`${pattern} in the log of flanneld on ${host.name}`, look, limit, signal);
  };
  return {
    host,
    pid: child.pid ?? 0,
    subnetFile,
    logFile,
    log,
    waitForLog,
    ready: async (signal) => void (await waitForLog(/flannel is ready/, READY_LIMIT, signal)),
    wroteSubnetFile: async (signal) => {
      const look = () => existsSync(subnetFile) || null;
      await whileRunning(`the subnet file of flanneld on ${host.name}`, look, READY_LIMIT, signal);
    },
    running,
    ended,
    stop: (signal) => end("SIGTERM", signal),
    kill: async (signal) => void (await end("SIGKILL", signal)),
    [Symbol.asyncDispose]: async () => void (await end("SIGKILL", new AbortController().signal)),
  };
}

function commandOf(host: Machine, subnetFile: string, options: FlanneldOptions): readonly string[] {
  return [
    options.program ?? LAUNCHER,
    `--etcd-endpoints=${options.etcdEndpoints.join(",")}`,
    ...(options.choosesInterface ? [] : ["--iface=eth0"]),
    `--subnet-file=${subnetFile}`,
    // Another flanneld need not know the flag.
    ...(options.program === undefined ? [`--state-dir=${join(host.directory, "state")}`] : []),
    ...(options.flags ?? []),
  ];
}

/** The last line may be half written as long as its process runs. */
function wholeLines(log: Buffer, { exitCode, signalCode }: ChildProcess): string {
  const isOver = exitCode !== null || signalCode !== null;
  return log.subarray(0, isOver ? log.length : log.lastIndexOf("\n") + 1).toString("utf8");
}

/** Waiting for a daemon's end, and for what it does as long as it has not ended. */
function watchProcess(child: ChildProcess, host: Machine, log: () => string) {
  const running = () => child.exitCode === null && child.signalCode === null;
  const status = () => shellStatus(child.exitCode ?? child.signalCode ?? 0);
  return {
    running,
    async ended(signal: AbortSignal): Promise<number> {
      await waitFor(`the end of flanneld on ${host.name}`, () => !running() || null, STOP_LIMIT, signal);
      return status();
    },
    whileRunning<T>(what: string, look: () => T | null, limit: Millis, signal: AbortSignal): Promise<T> {
      const lookOrGiveUp = () => {
        const found = look();
        if (found === null && !running()) {
          throw new Error(`flanneld on ${host.name} ended with status ${status()}: ${lastWords(log())}`);
        }
        return found;
      };
      return waitFor(what, lookOrGiveUp, limit, signal);
    },
  };
}

/** The last line that is no part of a stack trace. */
function lastWords(log: string): string {
  const lines = log.trimEnd().split("\n");
  return lines.findLast((line) => !/^(flanneld: )?\s+at /.test(line)) || "it said nothing";
}

/** In a process group of its own, so that Ctrl-C in a terminal reaches only whoever takes the lab down in order. */
function launch(
  host: Machine,
  logFile: string,
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
): ChildProcess {
  const [program = "", ...args] = inNamespace(host.namespace, command);
  const log = openSync(logFile, "a");
  try {
    const env = { ...toolEnvironment(), ...environment };
    return spawn(program, args, { detached: true, stdio: ["ignore", log, log], env });
  } finally {
    closeSync(log);
  }
}
