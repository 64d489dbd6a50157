// The demo from the first namespace to the last ping.

import { readFileSync } from "node:fs";
import { addPod, type Pod, parseSubnetEnv } from "../lab/cni.ts";
import { startEtcd } from "../lab/etcd.ts";
import { type Flanneld, startFlanneld } from "../lab/flanneld.ts";
import { run } from "../lab/run.ts";
import { inNamespace, openTopology, type Topology } from "../lab/topology.ts";
import type { Style } from "../src/base/terminal-text.ts";
import type { DemoBackend } from "./backends.ts";
import { observeJourney } from "./journey.ts";
import { lastLines, listLogs, saveLogs } from "./logs.ts";
import { countAnswers, pingAll } from "./matrix.ts";
import type { DemoOptions } from "./options.ts";
import { HEALTH_PORT, showPage } from "./page.ts";
import {
  formatHosts,
  formatJourney,
  formatKept,
  formatLeases,
  formatLogs,
  formatMatrix,
  type HostFacts,
  type LeaseRecord,
} from "./report.ts";

export interface DemoDeps {
  /** A line about what is being done. */
  readonly progress: (line: string) => void;
  /** A line of the result. */
  readonly print: (line: string) => void;
  readonly style: Style;
  /** Where the logs are left after a demo that worked. */
  readonly logDirectory: string;
}

const NETWORK = "10.42.0.0/16";
const ETCD_PREFIX = "/coreos.com/network";
const LEASES_PREFIX = `${ETCD_PREFIX}/subnets`;

/** What went wrong, and the last words of everybody concerned; collected before all of it is taken down. */
export class DemoFailed extends Error {
  readonly lastLines: readonly string[];

  constructor(cause: unknown, lastLines: readonly string[]) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = "DemoFailed";
    this.lastLines = lastLines;
  }
}

/** Throws DemoFailed, or the signal's reason when aborted. Nothing is left in any case, unless `keep` was asked for. */
export async function runDemo(options: DemoOptions, deps: DemoDeps, signal: AbortSignal): Promise<void> {
  await using topology = await openTopology({ hosts: options.hosts }, signal);
  deps.progress(
    `a virtual switch with ${options.hosts} hosts: ${topology.hosts.map((host) => host.namespace).join(" ")}`,
  );
  try {
    await play(topology, options, deps, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new DemoFailed(error, lastLines(topology));
  }
}

async function play(topology: Topology, options: DemoOptions, deps: DemoDeps, signal: AbortSignal): Promise<void> {
  const { etcd, hosts } = topology;
  const { progress, style } = deps;
  const server = topology.own(await startEtcd(etcd, signal));
  const config = JSON.stringify({ Network: NETWORK, Backend: { Type: options.backend.type } });
  await etcdctl(topology, ["put", `${ETCD_PREFIX}/config`, config], signal);
  progress(`etcd answers at ${server.endpoint}; ${ETCD_PREFIX}/config is ${config}`);

  const flags = options.web ? [`--healthz-port=${HEALTH_PORT}`] : [];
  const daemons = hosts.map((host) => topology.own(startFlanneld(host, { etcdEndpoints: [server.endpoint], flags })));
  await Promise.all(daemons.map((daemon) => untilReady(daemon, deps, signal)));

  const pods: Pod[] = [];
  for (const { host, subnetFile } of daemons) pods.push(await addPod(host, "pod", subnetFile, signal));
  progress(`a pod behind cni0 on each host, made by the CNI plugins bridge and host-local`);

  const matrix = await pingAll(pods, ({ host }) => progress(`the pod on ${host.name} reaches every other pod`), signal);
  const [from, to] = pods;
  if (!from || !to) throw new Error("a demo needs two hosts");
  const stages = await observeJourney(from, to, options.backend.tunnel, signal);
  const facts = await Promise.all(pods.map((pod, index) => readFacts(pod, daemons[index], options.backend, signal)));
  const kept = { name: topology.run.name, endpoint: server.endpoint, backend: options.backend };
  const lines = [
    ...formatHosts(facts, style),
    ...formatLeases(await readLeases(topology, signal), LEASES_PREFIX, style),
    ...formatMatrix(pods, matrix, style),
    ...formatJourney(from, to, stages, style),
    ...formatLogs(options.keep ? listLogs(topology) : saveLogs(topology, deps.logDirectory), style),
    ...(options.keep ? formatKept(from, kept, style) : []),
    "",
    style.good(`All ${countAnswers(matrix)} pairs of pods reach each other.`),
  ];
  for (const line of lines) deps.print(line);
  if (options.keep) topology.run.keep();
  if (options.web) await showPage(topology, server.endpoint, deps, signal);
}

async function untilReady(daemon: Flanneld, { progress }: DemoDeps, signal: AbortSignal): Promise<void> {
  await daemon.ready(signal);
  const { subnet } = parseSubnetEnv(readFileSync(daemon.subnetFile, "utf8"));
  progress(`flanneld on ${daemon.host.name} is ready: process ${daemon.pid}, cni0 will be ${subnet}`);
}

async function etcdctl(topology: Topology, args: readonly string[], signal: AbortSignal): Promise<string> {
  const { namespace, address } = topology.etcd;
  const command = inNamespace(namespace, ["etcdctl", `--endpoints=http://${address}:2379`, ...args]);
  return (await run(command, { env: { ETCDCTL_API: "3" } }, signal)).stdout;
}

async function readLeases(topology: Topology, signal: AbortSignal): Promise<readonly LeaseRecord[]> {
  const lines = (await etcdctl(topology, ["get", "--prefix", LEASES_PREFIX], signal)).trimEnd().split("\n");
  return lines.flatMap((key, index) => (index % 2 === 0 ? [{ key, value: lines[index + 1] ?? "" }] : []));
}

async function readFacts(
  pod: Pod,
  daemon: Flanneld | undefined,
  { tunnel }: DemoBackend,
  signal: AbortSignal,
): Promise<HostFacts> {
  const env = parseSubnetEnv(readFileSync(daemon?.subnetFile ?? "", "utf8"));
  const mac = tunnel?.hasMac ? await readMac(pod, tunnel.device, signal) : null;
  return { pod, subnet: env.subnet, mtu: env.mtu, mac };
}

async function readMac({ host }: Pod, device: string, signal: AbortSignal): Promise<string> {
  const command = inNamespace(host.namespace, ["ip", "-j", "link", "show", device]);
  const [link] = JSON.parse((await run(command, {}, signal)).stdout) as readonly { readonly address: string }[];
  if (!link) throw new Error(`${host.name} has no device ${device}`);
  return link.address;
}
