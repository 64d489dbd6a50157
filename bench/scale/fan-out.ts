// What it costs etcd to tell many daemons of a lease: directly, and behind a grpc-proxy that merges their watches.

import { Etcd3 } from "etcd3";
import { startGrpcProxy } from "../../lab/grpc-proxy.ts";
import { millis, seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { NETWORK_CONFIG, peerLease, writeOf } from "../peer-leases.ts";
import { cpuMillis } from "../processes.ts";
import { figure, type Measured, spread } from "./figures.ts";
import { type Fleet, openFleet } from "./fleet.ts";
import { fleetOptions, metricsOf, startLoopbackEtcd } from "./loopback.ts";
import type { ScaleOptions } from "./options.ts";

export const FAN_OUTS = ["direct", "grpc-proxy"] as const;
export type FanOut = (typeof FAN_OUTS)[number];

const WRITES = 100;
/** Slow enough that each write has reached all before the next comes, on a machine that carries all the daemons, too. */
const WRITE_EVERY = millis(200);
const LIMIT = seconds(900);
/** Go gives memory back late, and what the join has taken is none of the watchers'. */
const REST = seconds(10);

export async function measureFanOut(
  way: FanOut,
  { watchers }: ScaleOptions,
  signal: AbortSignal,
): Promise<readonly Measured[]> {
  await using etcd = await startLoopbackEtcd(NETWORK_CONFIG, [], signal);
  await using proxy = way === "direct" ? null : await startGrpcProxy(etcd, signal);
  const endpoint = (proxy ?? etcd).endpoint;
  await using fleet = await openFleet(fleetOptions(watchers, endpoint), signal);
  const empty = await metricsOf(etcd, signal);
  await fleet.join(LIMIT, signal);
  using admin = openAdmin(etcd.endpoint);
  await fleet.delivered(await writeOne(admin.client, 0), LIMIT, signal);
  await systemClock.sleep(REST, signal);

  const before = await metricsOf(etcd, signal);
  const proxyBefore = proxy && cpuMillis(proxy.pid());
  const delays = await writeMany(admin.client, fleet, signal);
  const after = await metricsOf(etcd, signal);
  const proxyAfter = proxy && cpuMillis(proxy.pid());
  return [
    figure("watches of etcd's", before.watchers, ""),
    figure("etcd's memory for each watcher", (before.residentBytes - empty.residentBytes) / watchers / 1024, "KiB"),
    figure(
      "etcd's processor time for each lease written",
      ((after.cpuSeconds - before.cpuSeconds) * 1000) / WRITES,
      "ms",
    ),
    figure("sent by etcd for each lease written", (after.sentBytes - before.sentBytes) / WRITES / 1024, "KiB"),
    ...(proxyBefore !== null && proxyAfter !== null
      ? [figure("the proxy's processor time for each lease written", (proxyAfter - proxyBefore) / WRITES, "ms")]
      : []),
    ...spread("a lease written to known to all", delays, "ms"),
  ];
}

function openAdmin(endpoint: string): { readonly client: Etcd3 } & Disposable {
  const client = new Etcd3({ hosts: endpoint });
  return { client, [Symbol.dispose]: () => client.close() };
}

/** Returns the revision. */
async function writeOne(client: Etcd3, n: number): Promise<string> {
  const { key, value } = writeOf({ before: null, after: peerLease(n) }, null);
  return (await client.put(key).value(value ?? "")).header.revision;
}

/** How long each of the writes took to reach the last daemon, in milliseconds. */
async function writeMany(client: Etcd3, fleet: Fleet, signal: AbortSignal): Promise<readonly number[]> {
  const delays: number[] = [];
  for (let n = 1; n <= WRITES; n++) {
    const sent = systemClock.now();
    const revision = await writeOne(client, n);
    await systemClock.sleep(WRITE_EVERY, signal);
    delays.push((await fleet.delivered(revision, LIMIT, signal)) - sent);
  }
  return delays;
}
