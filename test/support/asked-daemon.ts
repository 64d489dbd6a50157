// A daemon of a cluster as an operator asks it: the built program's commands, with its socket.

import { dirname, join } from "node:path";
import type { Output } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { DaemonStatus } from "../../src/status/snapshot.ts";
import type { Cluster } from "./cluster.ts";

const PROGRAM = join(import.meta.dirname, "../../../bin/flanneld");
const LIMIT = seconds(30);

export interface AskedDaemon {
  readonly socket: string;
  /** A command with the daemon's socket. */
  ask(...words: readonly string[]): Promise<Output>;
  snapshot(): Promise<DaemonStatus>;
  /** The first snapshot of which this is so. */
  tells(what: string, isSo: (status: DaemonStatus) => boolean): Promise<DaemonStatus>;
}

export function askedDaemon(cluster: Cluster, host: number, signal: AbortSignal): AskedDaemon {
  const socket = join(cluster.hosts[host]?.directory ?? "", "flanneld.sock");
  const ask = (...words: readonly string[]) => cluster.tryOn(host, PROGRAM, ...words, `--socket=${socket}`);
  const look = async (): Promise<DaemonStatus | null> => {
    const { stdout } = await ask("status", "--json");
    return stdout === "" ? null : JSON.parse(stdout).daemons[0].status;
  };
  return {
    socket,
    ask,
    snapshot: () => waitFor("the daemon's snapshot", look, LIMIT, signal),
    tells(what, isSo) {
      let last: DaemonStatus | null = null;
      const lookFor = async () => {
        last = await look();
        return last && isSo(last) ? last : null;
      };
      return waitFor(what, lookFor, LIMIT, signal).catch((error: unknown) => {
        throw new Error(`${error}: ${JSON.stringify(last)}`);
      });
    },
  };
}

/** Where commands of a host look that are given its directory. */
export function socketDirectory({ socket }: AskedDaemon): string {
  return dirname(socket);
}
