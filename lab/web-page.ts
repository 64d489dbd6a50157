// `flanneld web` in a lab: it runs beside etcd, from where it reaches every host, and is forwarded to this machine.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seconds } from "../src/base/brand.ts";
import { openForward } from "./forward.ts";
import { shellStatus, toolEnvironment } from "./run.ts";
import { inNamespace, type Machine } from "./topology.ts";
import { waitFor } from "./wait.ts";

export interface WebPage extends AsyncDisposable {
  /** On this machine's loopback. */
  readonly url: string;
  /** SIGINT, as Ctrl-C; resolves to the exit status. */
  interrupt(signal: AbortSignal): Promise<number>;
}

export interface WebPageOptions {
  readonly etcdEndpoints: readonly string[];
  /** That of the daemons. */
  readonly healthPort: number;
  /** On this machine; another if it is taken. */
  readonly wanted: number;
}

/** Within the machine's namespace. */
const PORT = 8470;
const LIMIT = seconds(30);
const LAUNCHER = join(import.meta.dirname, "../../bin/flanneld");

export async function startWebPage(machine: Machine, options: WebPageOptions, signal: AbortSignal): Promise<WebPage> {
  const logFile = join(machine.directory, "web.log");
  const child = launch(machine, logFile, [
    ...[LAUNCHER, "web", `--listen=127.0.0.1:${PORT}`, `--health-port=${options.healthPort}`],
    `--etcd-endpoints=${options.etcdEndpoints.join(",")}`,
  ]);
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  const end = async (name: NodeJS.Signals, scope: AbortSignal) => {
    child.kill(name);
    await waitFor("the end of flanneld web", () => isOver() || null, LIMIT, scope);
    return shellStatus(child.exitCode ?? child.signalCode ?? 0);
  };
  try {
    const look = () => {
      const log = existsSync(logFile) ? readFileSync(logFile, "utf8") : "";
      if (isOver()) throw new Error(`flanneld web has ended: ${log}`);
      return /http:\/\//.test(log) || null;
    };
    await waitFor("flanneld web", look, LIMIT, signal);
    const forward = await openForward(machine, { port: PORT, wanted: options.wanted }, signal);
    return {
      url: `http://127.0.0.1:${forward.port}/`,
      interrupt: (scope) => end("SIGINT", scope),
      async [Symbol.asyncDispose]() {
        await forward[Symbol.asyncDispose]();
        await end("SIGKILL", new AbortController().signal);
      },
    };
  } catch (error) {
    await end("SIGKILL", new AbortController().signal);
    throw error;
  }
}

/** In a process group of its own, so that Ctrl-C in a terminal reaches only whoever takes the lab down in order. */
function launch({ namespace }: Machine, logFile: string, command: readonly string[]): ChildProcess {
  const [program = "", ...args] = inNamespace(namespace, command);
  const log = openSync(logFile, "w");
  try {
    return spawn(program, args, { detached: true, stdio: ["ignore", log, log], env: toolEnvironment() });
  } finally {
    closeSync(log);
  }
}
