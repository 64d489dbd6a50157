// What the soak runs in: a lab with an etcd, hosts with a flanneld and a pod each, and pings between them all the time.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pingAll } from "../demo/matrix.ts";
import { addPod, type Pod, parseSubnetEnv } from "../lab/cni.ts";
import { type EchoStream, startEchoStream } from "../lab/echo-stream.ts";
import { type Flanneld, type FlanneldOptions, startFlanneld } from "../lab/flanneld.ts";
import { run } from "../lab/run.ts";
import { inNamespace, type Machine, openTopology, type Topology } from "../lab/topology.ts";
import { type EpochMillis, millis } from "../src/base/brand.ts";
import type { Setting } from "./fault.ts";
import type { Owner } from "./history.ts";
import type { PairHeard } from "./losses.ts";
import { type RecordWatch, watchRecords } from "./record-watch.ts";
import { openStore, type Store } from "./store.ts";

export const HEALTH_PORT = 8081;
const HOSTS = 3;
const NETWORK = "10.5.0.0/16";
/** On which flanneld has what it makes for its peers. */
const DEVICES: Readonly<Record<string, string>> = { vxlan: "flannel.1", udp: "flannel0", "host-gw": "eth0" };
/** 500 packets a second. */
const INTERVAL = millis(2);
/** Ample: a reply on one machine takes less than a millisecond. */
const WAIT = millis(1000);

export interface SoakHost {
  readonly machine: Machine;
  /** Of its record below the prefix: "10.5.7.0-24". */
  readonly key: string;
  /** Of its tunnel's device; null where peers need none. */
  readonly mac: string | null;
  /** The one that should run now. */
  daemon: Flanneld;
}

export interface World extends Setting {
  readonly topology: Topology;
  /** "10.5.0.0/16" */
  readonly network: string;
  /** The tunnel's device; without one, the underlay's. */
  readonly device: string;
  readonly config: string;
  readonly store: Store;
  readonly hosts: readonly SoakHost[];
  /** Of the beginning: config and all records. */
  readonly snapshot: string;
  readonly watch: RecordWatch;
  /** Starts another daemon on the host, as its supervisor would. */
  start(host: SoakHost, other?: OtherStart): void;
  /** The same beside the one that should run. */
  launch(host: SoakHost): Flanneld;
  /** What has become of all pings since the last call, at least until the moment. */
  listen(until: EpochMillis, signal: AbortSignal): Promise<readonly PairHeard[]>;
}

/** Another program, and flags that say something else than those that all have. */
export type OtherStart = Pick<FlanneldOptions, "program" | "flags">;

/** Everything goes with the topology. */
export async function openWorld(
  topology: Topology,
  setting: Setting,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<World> {
  const { backend } = setting;
  const store = topology.own(await openStore(topology.etcd, setting.members, signal));
  const owners: Owner[] = [];
  const watch = topology.own(watchRecords(store, () => owners));
  const config = configFor(setting);
  await store.putConfig(config, signal);
  const start = (machine: Machine, other?: OtherStart) => topology.own(startOn(machine, store, other));
  const daemons = topology.hosts.map((machine) => start(machine));
  await Promise.all(daemons.map((daemon) => daemon.ready(signal)));
  const hosts = await Promise.all(daemons.map((daemon) => describeHost(daemon, backend, signal)));
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
    ...setting,
    topology,
    network: NETWORK,
    device: DEVICES[backend] ?? "",
    config,
    store,
    hosts,
    snapshot,
    watch,
    start: (host, other) => {
      host.daemon = start(host.machine, other);
    },
    launch: (host) => start(host.machine),
    listen: (until, signal) => Promise.all(pairs.map((pair) => listenTo(pair, until, signal))),
  };
}

export async function openSoakTopology(signal: AbortSignal): Promise<Topology> {
  return await openTopology({ hosts: HOSTS }, signal);
}

/** Above 10.5.199.0 the faults have records of their own. */
function configFor({ backend, firewall }: Setting): string {
  const mode = firewall === "nftables" ? { EnableNFTables: true } : {};
  return JSON.stringify({ Network: NETWORK, SubnetMax: "10.5.199.0", ...mode, Backend: { Type: backend } });
}

function startOn(machine: Machine, { endpoints }: Store, { program, flags = [] }: OtherStart = {}): Flanneld {
  return startFlanneld(machine, {
    etcdEndpoints: endpoints,
    ...(program !== undefined && { program }),
    // The last of two that say something else is right.
    flags: [`--healthz-port=${HEALTH_PORT}`, "--ip-masq", `--state-dir=${join(machine.directory, "state")}`, ...flags],
  });
}

async function describeHost(daemon: Flanneld, backend: string, signal: AbortSignal): Promise<SoakHost> {
  const address = ["cat", `/sys/class/net/${DEVICES[backend]}/address`];
  const mac =
    backend === "vxlan" ? (await run(inNamespace(daemon.host.namespace, address), {}, signal)).stdout.trim() : null;
  return { machine: daemon.host, key: keyOf(daemon), mac, daemon };
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
