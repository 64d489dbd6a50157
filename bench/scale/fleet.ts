// A process with many daemons' lease code in it (fleet-daemons.ts), as whoever measures sees it.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { toolEnvironment } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Millis, seconds } from "../../src/base/brand.ts";

const DAEMONS = join(import.meta.dirname, "fleet-daemons.js");
/** Of the fleet's heap: each daemon has a table of its own. */
const HEAP_MEGABYTES = 12_000;

export interface FleetOptions {
  readonly daemons: number;
  /** The number of the first one's public IP and MAC. */
  readonly first: number;
  readonly endpoint: string;
  readonly prefix: string;
  /** As in HoldOptions and in the follower's. */
  readonly ttl: Millis;
  readonly margin: Millis;
  readonly recount: Millis;
}

export type FleetCommand = { readonly kind: "open"; readonly options: FleetOptions } | { readonly kind: "go" };

export type FleetMessage =
  | { readonly kind: "ready" }
  /** `millis` since it began, its connection included. */
  | { readonly kind: "acquired"; readonly subnet: string; readonly millis: number }
  /** All daemons have been told of what happened at this revision. */
  | { readonly kind: "delivered"; readonly revision: string; readonly at: number }
  | { readonly kind: "failed"; readonly reason: string };

export interface Acquired {
  readonly subnet: string;
  readonly millis: number;
}

export interface Fleet extends AsyncDisposable {
  readonly pid: number;
  /** All daemons start at once; resolves when each has its subnet. Throws when one has failed. */
  join(limit: Millis, signal: AbortSignal): Promise<readonly Acquired[]>;
  /** When the last daemon was told of the revision. */
  delivered(revision: string, limit: Millis, signal: AbortSignal): Promise<number>;
}

/** Resolves when all stores are there; none has connected. */
export async function openFleet(options: FleetOptions, signal: AbortSignal): Promise<Fleet> {
  const child = spawn(process.execPath, [`--max-old-space-size=${HEAP_MEGABYTES}`, DAEMONS], {
    detached: true,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: toolEnvironment(),
  });
  const end = () => void child.kill("SIGKILL");
  process.on("exit", end);
  const acquired: Acquired[] = [];
  const delivered = new Map<string, number>();
  let ready = false;
  let failure: string | null = null;
  child.on("message", (message: FleetMessage) => {
    switch (message.kind) {
      case "ready":
        ready = true;
        break;
      case "acquired":
        acquired.push(message);
        break;
      case "delivered":
        delivered.set(message.revision, message.at);
        break;
      case "failed":
        failure ??= message.reason;
        break;
    }
  });
  const alive = <T>(found: T | null): T | null => {
    if (failure !== null) throw new Error(`a daemon of the fleet has failed: ${failure}`);
    if (found === null && hasEnded(child)) throw new Error("the fleet has ended by itself");
    return found;
  };
  const send = (command: FleetCommand) => void child.send(command);
  const fleet: Fleet = {
    pid: child.pid ?? 0,
    async join(limit, until) {
      send({ kind: "go" });
      const all = () => alive(acquired.length === options.daemons ? acquired : null);
      return await waitFor(`the subnets of ${options.daemons} daemons`, all, limit, until);
    },
    delivered: (revision, limit, until) => {
      const look = () => alive(delivered.get(revision) ?? null);
      return waitFor(`revision ${revision} at all ${options.daemons} daemons`, look, limit, until);
    },
    [Symbol.asyncDispose]: async () => {
      end();
      await waitFor("the end of the fleet", () => hasEnded(child) || null, seconds(10), new AbortController().signal);
      process.removeListener("exit", end);
    },
  };
  try {
    send({ kind: "open", options });
    await waitFor("the stores of the fleet", () => alive(ready || null), seconds(60), signal);
    return fleet;
  } catch (error) {
    await fleet[Symbol.asyncDispose]();
    throw error;
  }
}

function hasEnded({ exitCode, signalCode, pid }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null || pid === undefined;
}
