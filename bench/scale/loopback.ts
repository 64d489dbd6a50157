// An etcd on loopback, for what needs no kernel but many connections.

import { type EtcdServer, startEtcd } from "../../lab/etcd.ts";
import { minutes } from "../../src/base/brand.ts";
import { type EtcdMetrics, readEtcdMetrics } from "../etcd-metrics.ts";
import { PREFIX } from "../peer-leases.ts";
import { writeLeases } from "../writer.ts";
import type { FleetOptions } from "./fleet.ts";

/** What the daemon does by itself: see src/daemon.ts. */
export const HABITS = { ttl: minutes(24 * 60), margin: minutes(60), recount: minutes(10) };

/** Public IPs that no lease of peer-leases.ts has which a benchmark writes. */
const FIRST_DAEMON = 31_000;

export async function startLoopbackEtcd(
  config: string,
  flags: readonly string[],
  signal: AbortSignal,
): Promise<EtcdServer> {
  const etcd = await startEtcd({ flags }, signal);
  await writeLeases(null, etcd.endpoint, [{ key: `${PREFIX}/config`, value: config, at: null }], signal);
  return etcd;
}

export function fleetOptions(daemons: number, endpoint: string, habits = HABITS): FleetOptions {
  return { daemons, first: FIRST_DAEMON, endpoint, prefix: PREFIX, ...habits };
}

export function metricsOf({ endpoint }: Pick<EtcdServer, "endpoint">, signal: AbortSignal): Promise<EtcdMetrics> {
  return readEtcdMetrics(endpoint, null, signal);
}
