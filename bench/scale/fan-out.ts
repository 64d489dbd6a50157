// What it costs etcd to tell many daemons of a lease: directly, and behind a grpc-proxy that merges their watches.

import { startGrpcProxy } from "../../lab/grpc-proxy.ts";
import { millis, seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { NETWORK_CONFIG, peerLease, writeOf } from "../peer-leases.ts";
import { cpuMillis } from "../processes.ts";
import { figure, type Measured, spread } from "./figures.ts";
import { type Fleet, openFleet } from "./fleet.ts";
import type { ScaleOptions } from "./options.ts";
import { fleetOptions, openStage, type Stage } from "./stage.ts";

export const FAN_OUTS = ["direct", "grpc-proxy"] as const;
export type FanOut = (typeof FAN_OUTS)[number];

const WRITES = 100;
const PROXY_PORT = 23790;
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
  await using stage = await openStage(NETWORK_CONFIG, [], signal);
  const { namespace, endpoint } = stage;
  await using proxy = way === "direct" ? null : await startGrpcProxy({ endpoint, namespace, port: PROXY_PORT }, signal);
  const options = proxy ? fleetOptions(watchers, PROXY_PORT) : fleetOptions(watchers);
  await using fleet = await openFleet(namespace, options, signal);
  const empty = await stage.metrics(signal);
  await fleet.join(LIMIT, signal);
  await fleet.following(LIMIT, signal);
  await writeMany(stage, fleet, [0], signal);
  await systemClock.sleep(REST, signal);

  const before = await stage.metrics(signal);
  const proxyBefore = proxy && cpuMillis(proxy.pid());
  const peers = Array.from({ length: WRITES }, (_, n) => n + 1);
  const delays = await writeMany(stage, fleet, peers, signal);
  const after = await stage.metrics(signal);
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

/** How long each of the writes took to reach the last daemon, in milliseconds. */
async function writeMany(
  stage: Stage,
  fleet: Fleet,
  peers: readonly number[],
  signal: AbortSignal,
): Promise<readonly number[]> {
  const job = peers.map((n, index) => writeOf({ before: null, after: peerLease(n) }, index * WRITE_EVERY));
  const { sent, revisions } = await stage.write(job, signal);
  const delays: number[] = [];
  for (const [index, revision] of revisions.entries()) {
    delays.push((await fleet.delivered(revision, LIMIT, signal)) - (sent[index] ?? Number.NaN));
  }
  return delays;
}
