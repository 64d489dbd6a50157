// Two hosts, connected in one of the ways that are compared, with a pod on each, ready to be measured. Made afresh for
// every measurement, so that no path inherits anything from another.

import { addPod, type Pod } from "../../lab/cni.ts";
import { startEtcd } from "../../lab/etcd.ts";
import { type Flanneld, startFlanneld } from "../../lab/flanneld.ts";
import { ping } from "../../lab/ping.ts";
import { run } from "../../lab/run.ts";
import { inNamespace, type Machine, openTopology, type Topology } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { messageOf } from "../../src/base/errors.ts";
import { connectByHand } from "./by-hand.ts";
import type { DaemonPath, DataPath, Program } from "./paths.ts";

export interface OpenPath extends AsyncDisposable {
  /** The pod that sends, and the one that receives. */
  readonly from: Pod;
  readonly to: Pod;
}

/** A daemon has ended before it was ready, or never was; the message is its own sentence. */
export class PathRefused extends Error {
  readonly program: Program;

  constructor(program: Program, cause: unknown) {
    super(sentenceOf(messageOf(cause)), { cause });
    this.name = "PathRefused";
    this.program = program;
  }
}

const CONFIG_KEY = "/coreos.com/network/config";
/** Nothing but what carries packets: the other side has no rules either when it is made by hand. */
const FLAGS = ["--ip-masq=false", "--iptables-forward-rules=false"];
const REACH_LIMIT = seconds(20);
/** The first packets find neighbours and grow queues; they are no part of what is measured. */
const WARM_UP = { count: 50 };

/** `peer` is the program of PEER. Throws PathRefused when a daemon ends before it is ready. */
export async function openPath(path: DataPath, peer: string | null, signal: AbortSignal): Promise<OpenPath> {
  const topology = await openTopology({ hosts: 2 }, signal);
  try {
    const hosts = twoHosts(topology);
    const files =
      path.kind === "by hand"
        ? await connectByHand(path.backend, hosts, signal)
        : await connectByDaemons(path, topology, hosts, peer, signal);
    const from = await addPod(hosts[0], "pod", files[0], signal);
    const to = await addPod(hosts[1], "pod", files[1], signal);
    await untilReached(from, to, signal);
    return { from, to, [Symbol.asyncDispose]: () => topology[Symbol.asyncDispose]() };
  } catch (error) {
    await topology[Symbol.asyncDispose]();
    throw error;
  }
}

function twoHosts({ hosts: [first, second] }: Topology): readonly [Machine, Machine] {
  if (!first || !second) throw new Error("the lab has no two hosts");
  return [first, second];
}

/** Returns the paths of the subnet files, in the order of the hosts. */
async function connectByDaemons(
  path: DaemonPath,
  topology: Topology,
  hosts: readonly [Machine, Machine],
  peer: string | null,
  signal: AbortSignal,
): Promise<readonly [string, string]> {
  const etcd = topology.own(await startEtcd(topology.etcd, signal));
  const subnets = { Network: "10.5.0.0/16", SubnetMin: "10.5.1.0", SubnetMax: "10.5.2.0" };
  const config = JSON.stringify({ ...subnets, Backend: { Type: path.backend } });
  const put = ["etcdctl", `--endpoints=${etcd.endpoint}`, "put", CONFIG_KEY, config];
  await run(inNamespace(topology.etcd.namespace, put), { env: { ETCDCTL_API: "3" } }, signal);
  const flags = path.isCounted ? [...FLAGS, "--peer-traffic"] : FLAGS;
  const start = (host: Machine, program: Program) => {
    const other = program === "peer" && peer !== null ? { program: peer } : {};
    return topology.own(startFlanneld(host, { etcdEndpoints: [etcd.endpoint], flags, ...other }));
  };
  const daemons = [start(hosts[0], path.programs[0]), start(hosts[1], path.programs[1])] as const;
  await untilReady(daemons, path.programs, signal);
  if (path.isCounted) await untilCounted(hosts, signal);
  return [daemons[0].subnetFile, daemons[1].subnetFile];
}

/** Both are waited for, so that nobody is left waiting in a lab that is gone. Throws PathRefused for the first. */
async function untilReady(
  daemons: readonly Flanneld[],
  programs: readonly Program[],
  signal: AbortSignal,
): Promise<void> {
  const outcomes = await Promise.allSettled(
    daemons.map((daemon, index) =>
      programs[index] === "ours" ? daemon.ready(signal) : daemon.wroteSubnetFile(signal),
    ),
  );
  signal.throwIfAborted();
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === "rejected") throw new PathRefused(programs[index] ?? "ours", outcome.reason);
  }
}

/** What counts is made after a daemon is ready. */
async function untilCounted(hosts: readonly Machine[], signal: AbortSignal): Promise<void> {
  for (const { name, namespace } of hosts) {
    const look = async () => {
      const { stdout } = await run(inNamespace(namespace, ["nft", "list", "ruleset"]), {}, signal);
      return /10\.5\.\d+\.0 counter packets/.test(stdout) ? true : null;
    };
    await waitFor(`the counters of ${name}`, look, REACH_LIMIT, signal);
  }
}

/** The hosts learn of each other through etcd after they are ready. */
async function untilReached(from: Pod, to: Pod, signal: AbortSignal): Promise<void> {
  const look = async () => ((await ping(from.namespace, to.address, { count: 1 }, signal)).received > 0 ? true : null);
  await waitFor(`an answer of the pod ${to.address} to the pod ${from.address}`, look, REACH_LIMIT, signal);
  await ping(from.namespace, to.address, WARM_UP, signal);
}

/** Our daemon's last line has a time, a level and the reason as a field; the reason is a sentence. */
export function sentenceOf(message: string): string {
  const [, quoted] = /\breason=("(?:[^"\\]|\\.)*")/.exec(message) ?? [];
  if (quoted === undefined) return message;
  try {
    return String(JSON.parse(quoted));
  } catch {
    return message;
  }
}
