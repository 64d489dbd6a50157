// An etcd in a network namespace that it shares with the daemons of a fleet, for what needs no kernel but many connections.

import { startEtcd } from "../../lab/etcd.ts";
import { openTopology, type Topology } from "../../lab/topology.ts";
import { minutes } from "../../src/base/brand.ts";
import { type EtcdMetrics, readEtcdMetrics } from "../etcd-metrics.ts";
import { PREFIX } from "../peer-leases.ts";
import type { WriteJob, WriteReport } from "../write-leases.ts";
import { writeLeases } from "../writer.ts";
import type { FleetOptions } from "./fleet.ts";

/** What the daemon does by itself: see src/daemon.ts. */
export const HABITS = { ttl: minutes(24 * 60), margin: minutes(60), recount: minutes(10) };

/** Public IPs that no lease of peer-leases.ts has which a benchmark writes. */
const FIRST_DAEMON = 31_000;
const PORT = 2379;

export interface Stage extends AsyncDisposable {
  readonly topology: Topology;
  readonly namespace: string;
  /** Of etcd; it listens on every address of the namespace. */
  readonly endpoint: string;
  metrics(signal: AbortSignal): Promise<EtcdMetrics>;
  write(job: WriteJob, signal: AbortSignal): Promise<WriteReport>;
}

/** `config` is the network's; `flags` are etcd's. */
export async function openStage(config: string, flags: readonly string[], signal: AbortSignal): Promise<Stage> {
  const topology = await openTopology({ hosts: 1 }, signal);
  try {
    const { namespace, address, directory } = topology.etcd;
    const everywhere = `--listen-client-urls=http://0.0.0.0:${PORT}`;
    const { endpoint } = topology.own(
      await startEtcd({ namespace, address, directory, flags: [everywhere, ...flags] }, signal),
    );
    const write = (job: WriteJob, until: AbortSignal) => writeLeases(namespace, endpoint, job, until);
    await write([{ key: `${PREFIX}/config`, value: config, at: null }], signal);
    return {
      topology,
      namespace,
      endpoint,
      metrics: (until) => readEtcdMetrics(endpoint, namespace, until),
      write,
      [Symbol.asyncDispose]: () => topology[Symbol.asyncDispose](),
    };
  } catch (error) {
    await topology[Symbol.asyncDispose]();
    throw error;
  }
}

export function fleetOptions(daemons: number, port = PORT, habits = HABITS): FleetOptions {
  return { daemons, first: FIRST_DAEMON, port, isCounted: false, prefix: PREFIX, ...habits };
}
