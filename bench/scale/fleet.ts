// A process with many daemons' lease code in it (fleet-daemons.ts), as whoever measures sees it.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { toolEnvironment } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Millis, seconds } from "../../src/base/brand.ts";

const DAEMONS = join(import.meta.dirname, "fleet-daemons.js");
/** Of the fleet's heap: each daemon has a table of its own. */
const HEAP_MEGABYTES = 12_000;

export interface FleetOptions {
  readonly daemons: number;
  /** The number of the first one's public IP and MAC. */
  readonly first: number;
  /** Where etcd, or a grpc-proxy, listens on every address of the namespace. */
  readonly port: number;
  /** Whether the traffic goes through a proxy that counts bytes. */
  readonly isCounted: boolean;
  readonly prefix: string;
  /** As in HoldOptions and in the follower's. */
  readonly ttl: Millis;
  readonly margin: Millis;
  readonly recount: Millis;
}

export type FleetCommand =
  | { readonly kind: "open"; readonly options: FleetOptions }
  | { readonly kind: "go" }
  | { readonly kind: "count" };

export type FleetMessage =
  | { readonly kind: "ready" }
  /** `millis` since it began, its connection included. */
  | { readonly kind: "acquired"; readonly subnet: string; readonly millis: number }
  | { readonly kind: "following" }
  /** All daemons have been told of what happened at this revision. */
  | { readonly kind: "delivered"; readonly revision: string; readonly at: number }
  | { readonly kind: "carried"; readonly bytes: number }
  | { readonly kind: "failed"; readonly reason: string };

export interface Acquired {
  readonly subnet: string;
  readonly millis: number;
}

export interface Fleet extends AsyncDisposable {
  /** All daemons, which are connected, begin at once; resolves when each has its subnet. Throws when one has failed. */
  join(limit: Millis, signal: AbortSignal): Promise<readonly Acquired[]>;
  /** Resolves when all watch the leases. */
  following(limit: Millis, signal: AbortSignal): Promise<void>;
  /** When the last daemon was told of the revision. */
  delivered(revision: string, limit: Millis, signal: AbortSignal): Promise<number>;
  /** Bytes of all connections since they were opened, both ways, if they are counted. */
  carried(signal: AbortSignal): Promise<number>;
}

/** In a network namespace. Resolves when all have connected and asked once. */
export async function openFleet(namespace: string, options: FleetOptions, signal: AbortSignal): Promise<Fleet> {
  const command = [process.execPath, `--max-old-space-size=${HEAP_MEGABYTES}`, DAEMONS];
  const [program = "", ...args] = inNamespace(namespace, command);
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: toolEnvironment(),
  });
  const end = () => void child.kill("SIGKILL");
  process.on("exit", end);
  const heard = listen(child);
  const alive = <T>(found: T | null): T | null => {
    if (heard.failure !== null) throw new Error(`a daemon of the fleet has failed: ${heard.failure}`);
    if (found === null && hasEnded(child)) throw new Error("the fleet has ended by itself");
    return found;
  };
  const send = (command: FleetCommand) => void child.send(command);
  const fleet: Fleet = {
    async join(limit, until) {
      send({ kind: "go" });
      const all = () => alive(heard.acquired.length === options.daemons ? heard.acquired : null);
      return await waitFor(`the subnets of ${options.daemons} daemons`, all, limit, until);
    },
    following: async (limit, until) => {
      await waitFor("the watches of the fleet", () => alive(heard.isFollowing || null), limit, until);
    },
    delivered: (revision, limit, until) => {
      const look = () => alive(heard.delivered.get(revision) ?? null);
      return waitFor(`revision ${revision} at all ${options.daemons} daemons`, look, limit, until);
    },
    carried: (until) => {
      heard.carried = null;
      send({ kind: "count" });
      return waitFor("the count of bytes", () => alive(heard.carried), seconds(60), until);
    },
    [Symbol.asyncDispose]: async () => {
      end();
      await waitFor("the end of the fleet", () => hasEnded(child) || null, seconds(10), new AbortController().signal);
      process.removeListener("exit", end);
    },
  };
  try {
    send({ kind: "open", options });
    await waitFor("the connections of the fleet", () => alive(heard.isReady || null), seconds(300), signal);
    return fleet;
  } catch (error) {
    await fleet[Symbol.asyncDispose]();
    throw error;
  }
}

/** What the process has said until now. */
interface Heard {
  isReady: boolean;
  isFollowing: boolean;
  readonly acquired: Acquired[];
  /** When, by revision. */
  readonly delivered: Map<string, number>;
  carried: number | null;
  failure: string | null;
}

function listen(child: ChildProcess): Heard {
  const heard: Heard = {
    isReady: false,
    isFollowing: false,
    acquired: [],
    delivered: new Map(),
    carried: null,
    failure: null,
  };
  child.on("message", (message: FleetMessage) => {
    switch (message.kind) {
      case "ready":
        heard.isReady = true;
        break;
      case "acquired":
        heard.acquired.push(message);
        break;
      case "delivered":
        heard.delivered.set(message.revision, message.at);
        break;
      case "following":
        heard.isFollowing = true;
        break;
      case "carried":
        heard.carried = message.bytes;
        break;
      case "failed":
        heard.failure ??= message.reason;
        break;
    }
  });
  return heard;
}

function hasEnded({ exitCode, signalCode, pid }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null || pid === undefined;
}
