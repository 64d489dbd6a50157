// A server of the lab as a process: started, killed as a crash would, started again in the same place, and gone with
// whoever has started it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { seconds } from "../src/base/brand.ts";
import { systemRandom } from "../src/base/random.ts";
import { attempt, toolEnvironment } from "./run.ts";
import { inNamespace } from "./topology.ts";
import { waitFor } from "./wait.ts";

export interface ServerPlace {
  /** For people: "etcd". */
  readonly name: string;
  readonly command: readonly string[];
  readonly logFile: string;
  /** Where it listens: "127.0.0.1:2379", in this namespace if one is named. */
  readonly listen: string;
  readonly namespace: string | undefined;
}

export interface ServerProcess {
  /** Resolves when it takes connections. */
  start(signal: AbortSignal): Promise<void>;
  /** Kills it; resolves when it has ended. Does nothing when it does not run. */
  stop(): Promise<void>;
  /** The same without waiting, for when this process ends. */
  kill(): void;
  freeze(): void;
  thaw(): void;
  /** It has been started, and neither stopped nor frozen since. */
  serves(): boolean;
  /** 0 while it does not run. */
  pid(): number;
}

/** Kernel: the server then dies with this process however that ends, also where no "exit" event comes. */
export const TIED_TO_PARENT = ["setpriv", "--pdeathsig", "KILL"];

const START_LIMIT = seconds(30);
const STOP_LIMIT = seconds(30);

export function createServerProcess({ name, command, logFile, listen, namespace }: ServerPlace): ServerProcess {
  let child: ChildProcess | null = null;
  let isFrozen = false;
  const freeze = (now: boolean) => {
    child?.kill(now ? "SIGSTOP" : "SIGCONT");
    isFrozen = now;
  };
  return {
    async start(signal) {
      const server = launch(command, logFile);
      child = server;
      isFrozen = false;
      const look = () => {
        if (hasEnded(server)) throw new Error(`${name} has ended with status ${server.exitCode ?? server.signalCode}`);
        return answers(listen, namespace, signal);
      };
      await waitFor(`${name} at ${listen}`, look, START_LIMIT, signal);
    },
    async stop() {
      const server = child;
      server?.kill("SIGKILL");
      await waitFor(`the end of ${name}`, () => !server || hasEnded(server) || null, STOP_LIMIT, never);
      child = null;
    },
    kill: () => void child?.kill("SIGKILL"),
    freeze: () => freeze(true),
    thaw: () => freeze(false),
    serves: () => child !== null && !isFrozen,
    pid: () => child?.pid ?? 0,
  };
}

const never = new AbortController().signal;

/** In a process group of its own: Ctrl-C is for whoever takes the lab down in order. */
function launch([program = "", ...args]: readonly string[], logFile: string): ChildProcess {
  const log = openSync(logFile, "a");
  try {
    return spawn(program, args, { detached: true, stdio: ["ignore", log, log], env: toolEnvironment() });
  } finally {
    closeSync(log);
  }
}

/** By a TCP connection: with TLS, or with auth, a request would need more than is known here. etcd listens when it serves. */
async function answers(listen: string, namespace: string | undefined, signal: AbortSignal): Promise<true | null> {
  const [host, port] = listen.split(":");
  const probe = ["bash", "-c", `exec 3<>/dev/tcp/${host}/${port}`];
  const { status } = await attempt(namespace === undefined ? probe : inNamespace(namespace, probe), {}, signal);
  return status === 0 ? true : null;
}

function hasEnded({ exitCode, signalCode, pid }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null || pid === undefined;
}

/**
 * Two ports that nobody listens on right now, and that the kernel draws for nobody: a server that is started again finds
 * its port still free, and whoever knocks there meanwhile does not get connected to himself.
 * Kernel: what it draws begins at 32768 (net.ipv4.ip_local_port_range).
 */
export async function freePorts(address: string): Promise<readonly [number, number]> {
  const [one, other] = [await listenSomewhere(address), await listenSomewhere(address)];
  await Promise.all([one, other].map(({ server }) => new Promise((resolve) => server.close(resolve))));
  return [one.port, other.port];
}

async function listenSomewhere(address: string): Promise<{ readonly server: Server; readonly port: number }> {
  for (;;) {
    const [server, port] = [createServer(), systemRandom.integer(20_000, 32_000)];
    server.listen(port, address);
    try {
      await once(server, "listening");
      return { server, port };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
}
