// What the soak runs in: a lab with an etcd, hosts with a flanneld and a pod each, and pings between them all the time.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pingAll } from "../demo/matrix.ts";
import { addPod, type Pod, parseSubnetEnv } from "../lab/cni.ts";
import { type EchoStream, startEchoStream } from "../lab/echo-stream.ts";
import { type Flanneld, startFlanneld } from "../lab/flanneld.ts";
import { type Machine, openTopology, type Topology } from "../lab/topology.ts";
import { type EpochMillis, millis } from "../src/base/brand.ts";
import type { Owner } from "./history.ts";
import type { PairHeard } from "./losses.ts";
import { type RecordWatch, watchRecords } from "./record-watch.ts";
import { openStore, type Store } from "./store.ts";

export const HEALTH_PORT = 8081;
const HOSTS = 3;
const NETWORK = "10.5.0.0/16";
/** 500 packets a second. */
const INTERVAL = millis(2);
/** Ample: a reply on one machine takes less than a millisecond. */
const WAIT = millis(1000);

export interface SoakHost {
  readonly machine: Machine;
  /** Of its record below the prefix: "10.5.7.0-24". */
  readonly key: string;
  /** The one that should run now. */
  daemon: Flanneld;
}

export interface World {
  readonly topology: Topology;
  readonly backend: string;
  readonly config: string;
  readonly store: Store;
  readonly hosts: readonly SoakHost[];
  /** Of the beginning: config and all records. */
  readonly snapshot: string;
  readonly watch: RecordWatch;
  /** Starts another daemon on the host, as its supervisor would. */
  start(host: SoakHost): void;
  /** What has become of all pings since the last call, at least until the moment. */
  listen(until: EpochMillis, signal: AbortSignal): Promise<readonly PairHeard[]>;
}

/** Everything goes with the topology. */
export async function openWorld(
  topology: Topology,
  backend: string,
  members: number,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<World> {
  const store = topology.own(await openStore(topology.etcd, members, signal));
  const owners: Owner[] = [];
  const watch = topology.own(watchRecords(store, () => owners));
  const config = JSON.stringify({ Network: NETWORK, Backend: { Type: backend } });
  await store.putConfig(config, signal);
  const start = (machine: Machine) =>
    topology.own(startFlanneld(machine, { etcdEndpoints: store.endpoints, flags: [`--healthz-port=${HEALTH_PORT}`] }));
  const daemons = topology.hosts.map(start);
  await Promise.all(daemons.map((daemon) => daemon.ready(signal)));
  const hosts = daemons.map((daemon): SoakHost => ({ machine: daemon.host, key: keyOf(daemon), daemon }));
  owners.push(...hosts.map(({ machine, key }) => ({ host: machine.name, publicIp: machine.address, key })));
  const pods: Pod[] = [];
  for (const { host, subnetFile } of daemons) pods.push(await addPod(host, "pod", subnetFile, signal));
  await pingAll(pods, () => {}, signal);
  progress(
    `${backend}: ${hosts.map(({ machine, key }) => `${machine.name} has ${key}`).join(", ")}; all pods reach all`,
  );
  const snapshot = join(topology.run.directory, "snapshot.db");
  await store.saveTo(snapshot, signal);
  const pairs = startPairs(topology, pods);
  return {
    topology,
    backend,
    config,
    store,
    hosts,
    snapshot,
    watch,
    start: (host) => {
      host.daemon = start(host.machine);
    },
    listen: (until, signal) => Promise.all(pairs.map((pair) => listenTo(pair, until, signal))),
  };
}

export async function openSoakTopology(signal: AbortSignal): Promise<Topology> {
  return await openTopology({ hosts: HOSTS }, signal);
}

/** "10.5.7.0-24" */
function keyOf({ subnetFile }: Flanneld): string {
  return parseSubnetEnv(readFileSync(subnetFile, "utf8")).subnet.replace(/\.\d+\/(\d+)$/, ".0-$1");
}

interface Pair {
  readonly pair: string;
  readonly overlay: EchoStream;
  readonly underlay: EchoStream;
}

/** One direction of each pair: the replies take the other. */
function startPairs(topology: Topology, pods: readonly Pod[]): readonly Pair[] {
  const stream = (namespace: string, destination: string) =>
    topology.own(startEchoStream({ namespace, destination, interval: INTERVAL, wait: WAIT }));
  return pods.flatMap((from, index) =>
    pods.slice(index + 1).map((to) => ({
      pair: `${from.host.name}-${to.host.name}`,
      overlay: stream(from.namespace, to.address),
      underlay: stream(from.host.namespace, to.host.address),
    })),
  );
}

async function listenTo(
  { pair, overlay, underlay }: Pair,
  until: EpochMillis,
  signal: AbortSignal,
): Promise<PairHeard> {
  return { pair, overlay: await overlay.take(until, signal), underlay: await underlay.take(until, signal) };
}
