// A cluster as operators have one: etcd and hosts on a switch, the network config put with etcdctl.

import { type EtcdOptions, type EtcdServer, startEtcd } from "../../lab/etcd.ts";
import { openEtcdCluster } from "../../lab/etcd-cluster.ts";
import { type Flanneld, type FlanneldOptions, startFlanneld } from "../../lab/flanneld.ts";
import { attempt, type Output, run } from "../../lab/run.ts";
import { inNamespace, type Machine, openTopology, type Topology } from "../../lab/topology.ts";
import type { Json } from "../../src/base/json.ts";

export const PREFIX = "/coreos.com/network";

export interface Cluster extends AsyncDisposable {
  readonly topology: Topology;
  readonly hosts: readonly Machine[];
  /** The only member, or the first. */
  readonly etcd: EtcdServer;
  readonly members: readonly EtcdServer[];
  readonly endpoint: string;
  /** Asks the members that serve: one that does not would have it wait for 5 s, in vain, as often as it is drawn. */
  etcdctl(...args: string[]): Promise<string>;
  /** Starts a daemon on the n-th host, counted from 0. */
  start(host: number, options?: Partial<FlanneldOptions>): Flanneld;
  /** Starts one on every host and waits until all are ready. */
  startAll(options?: Partial<FlanneldOptions>): Promise<readonly Flanneld[]>;
  /** Runs a command on the n-th host; throws when it fails. */
  on(host: number, ...command: string[]): Promise<string>;
  /** The same for commands whose failure is an answer. */
  tryOn(host: number, ...command: string[]): Promise<Output>;
}

export interface ClusterOptions extends Pick<EtcdOptions, "v2" | "tls" | "flags"> {
  /** How many members etcd has; default 1. */
  readonly members?: number;
  /** The switch carries IPv6 as well. */
  readonly ipv6?: boolean;
  /** More flags of etcdctl. */
  readonly etcdctl?: readonly string[];
}

export async function openCluster(
  hosts: number,
  config: Json | null,
  signal: AbortSignal,
  options: ClusterOptions = {},
): Promise<Cluster> {
  const { members: size = 1, etcdctl = [], ipv6 = false, ...server } = options;
  const topology = await openTopology({ hosts, ipv6 }, signal);
  try {
    const { namespace, address } = topology.etcd;
    const placed = { namespace, address, ...server };
    const members =
      size === 1 ? [await startEtcd(placed, signal)] : (await openEtcdCluster(size, placed, signal)).members;
    const cluster = clusterOn(topology, members, etcdctl, signal);
    if (config !== null) await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(config));
    return cluster;
  } catch (error) {
    await topology[Symbol.asyncDispose]();
    throw error;
  }
}

function clusterOn(
  topology: Topology,
  members: readonly EtcdServer[],
  etcdctlFlags: readonly string[],
  signal: AbortSignal,
): Cluster {
  const [etcd] = members;
  if (!etcd) throw new Error("there is no etcd");
  const { endpoint } = etcd;
  const etcdEndpoints = members.map((member) => member.endpoint);
  const machine = (index: number): Machine => {
    const found = topology.hosts[index];
    if (!found) throw new Error(`there is no host ${index}`);
    return found;
  };
  const command = (index: number, words: readonly string[]) => inNamespace(machine(index).namespace, words);
  const start = (index: number, options: Partial<FlanneldOptions> = {}) =>
    startFlanneld(machine(index), { etcdEndpoints, ...options });
  return {
    topology,
    hosts: topology.hosts,
    etcd,
    members,
    endpoint,
    start,
    async startAll(options) {
      const daemons = topology.hosts.map((_, index) => start(index, options));
      await Promise.all(daemons.map((daemon) => daemon.ready(signal)));
      return daemons;
    },
    async etcdctl(...args) {
      const serving = members.filter((member) => member.serves()).map((member) => member.endpoint);
      const asked = serving.length > 0 ? serving : etcdEndpoints;
      const words = ["env", "ETCDCTL_API=3", "etcdctl", `--endpoints=${asked.join(",")}`, ...etcdctlFlags, ...args];
      return (await run(inNamespace(topology.etcd.namespace, words), {}, signal)).stdout;
    },
    on: async (index, ...words) => (await run(command(index, words), {}, signal)).stdout,
    tryOn: (index, ...words) => attempt(command(index, words), {}, signal),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(members.map((member) => member[Symbol.asyncDispose]()));
      await topology[Symbol.asyncDispose]();
    },
  };
}
