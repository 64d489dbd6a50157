// npm run bench:control: what the control plane costs, measured on a real etcd and a real kernel, printed as a table.
// The limits are the project's promises; a figure beyond one makes the exit status 1.

import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type EtcdServer, startEtcd } from "../lab/etcd.ts";
import { type Flanneld, startFlanneld } from "../lab/flanneld.ts";
import { listenForNotifications } from "../lab/notify.ts";
import { run } from "../lab/run.ts";
import { inNamespace, type Machine, openTopology, type Topology } from "../lab/topology.ts";
import { type Millis, seconds } from "../src/base/brand.ts";
import { systemClock } from "../src/base/clock.ts";
import { readEtcdMetrics, sum } from "./etcd-metrics.ts";
import { openKernelMonitor } from "./kernel-monitor.ts";
import { arrivals, NETWORK_CONFIG, PREFIX, writeOf } from "./peer-leases.ts";
import { cpuMillis, residentMegabytes } from "./processes.ts";
import { writeLeases } from "./writer.ts";

const { values: flags } = parseArgs({
  options: {
    peers: { type: "string", default: "5000" },
    burst: { type: "string", default: "1000" },
    idle: { type: "string", default: "180" },
    json: { type: "boolean", default: false },
  },
});
const PEERS = Number(flags.peers);
const BURST = Number(flags.burst);
const IDLE: Millis = seconds(Number(flags.idle));
const LONG = seconds(60);
const LAUNCHER = join(import.meta.dirname, "../../bin/flanneld");
const STARTS = 15;

interface Figure {
  readonly what: string;
  readonly measured: number;
  readonly limit: number;
  readonly unit: string;
}

interface Bench {
  readonly topology: Topology;
  readonly host: Machine;
  readonly etcd: EtcdServer;
  readonly endpoint: string;
  readonly signal: AbortSignal;
}

async function etcdctl({ topology, endpoint, signal }: Bench, ...args: string[]): Promise<string> {
  const words = ["env", "ETCDCTL_API=3", "etcdctl", `--endpoints=${endpoint}`, ...args];
  return (await run(inNamespace(topology.etcd.namespace, words), {}, signal)).stdout;
}

/** Returns the time of the last answer. */
async function writePeers({ topology, endpoint, signal }: Bench, first: number, count: number): Promise<number> {
  const writes = arrivals(first, count).map((arrival) => writeOf(arrival, null));
  return (await writeLeases(topology.etcd.namespace, endpoint, writes, signal)).answered;
}

async function countRequests({ topology, endpoint, signal }: Bench): Promise<number> {
  return sum((await readEtcdMetrics(endpoint, topology.etcd.namespace, signal)).requests);
}

/** From exec to the first line, with an etcd that nobody runs. */
async function measureFirstLine(): Promise<number> {
  const times: number[] = [];
  for (let start = 0; start < STARTS; start++) {
    const began = systemClock.monotonic();
    const child = spawn(LAUNCHER, ["--etcd-endpoints=http://127.0.0.1:1"], { stdio: ["ignore", "ignore", "pipe"] });
    await new Promise((resolve) => child.stderr.once("data", resolve));
    times.push(systemClock.monotonic() - began);
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
  }
  return times.toSorted((a, b) => a - b)[STARTS >> 1] ?? Number.NaN;
}

interface Start {
  readonly daemon: Flanneld;
  readonly readyMillis: number;
  readonly programmedMillis: number;
  readonly requests: number;
}

/** A first start: no device, no record of this host. */
async function measureStart(bench: Bench, peers: number): Promise<Start> {
  const { host, endpoint, signal } = bench;
  using listener = await listenForNotifications(host.directory, signal);
  using monitor = await openKernelMonitor(host.namespace, "flannel.1", signal);
  const before = await countRequests(bench);
  const began = systemClock.now();
  const daemon = startFlanneld(host, {
    etcdEndpoints: [endpoint],
    environment: { NOTIFY_SOCKET: listener.socket },
  });
  const ready = await listener.waitFor(/READY=1/, signal);
  const programmed = peers > 0 ? await monitor.reached(peers, LONG, signal) : ready.at;
  const requests = (await countRequests(bench)) - before;
  rmSync(listener.socket);
  return { daemon, readyMillis: ready.at - began, programmedMillis: programmed - began, requests };
}

async function measureBurst(bench: Bench, first: number): Promise<number> {
  using monitor = await openKernelMonitor(bench.host.namespace, "flannel.1", bench.signal);
  const written = writePeers(bench, first, BURST);
  const programmed = await monitor.reached(BURST, LONG, bench.signal);
  return Math.max(0, programmed - (await written));
}

async function measureIdle(
  { pid }: Flanneld,
  signal: AbortSignal,
): Promise<{ readonly cpu: number; readonly memory: number }> {
  // What the start has allocated is collected after a while; an operator looks at a daemon that has been running.
  await systemClock.sleep(seconds(30), signal);
  const before = cpuMillis(pid);
  await systemClock.sleep(IDLE, signal);
  return { cpu: ((cpuMillis(pid) - before) / IDLE) * 100, memory: residentMegabytes(pid) };
}

async function clearHost(bench: Bench, daemon: Flanneld): Promise<void> {
  await daemon.stop(bench.signal);
  await run(["ip", "-n", bench.host.namespace, "link", "del", "flannel.1"], {}, bench.signal);
  await etcdctl(bench, "del", "--prefix", `${PREFIX}/subnets/`);
}

function say(text: string): void {
  if (!flags.json) console.error(`==> ${text}`);
}

async function measureAll(bench: Bench): Promise<readonly Figure[]> {
  say(`${STARTS} starts up to the first log line`);
  const firstLine = await measureFirstLine();
  say("a start without peers");
  const empty = await measureStart(bench, 0);
  await clearHost(bench, empty.daemon);
  say(`a start with ${PEERS} peers`);
  await writePeers(bench, 256, PEERS);
  const full = await measureStart(bench, PEERS);
  say(`${Number(flags.idle) + 30} s of doing nothing`);
  const idle = await measureIdle(full.daemon, bench.signal);
  say(`a burst of ${BURST} leases`);
  const burst = await measureBurst(bench, 256 + PEERS);
  await full.daemon.stop(bench.signal);
  return [
    { what: "exec to first log line (median)", measured: firstLine, limit: 130, unit: "ms" },
    { what: `start to READY with ${PEERS} leases`, measured: full.readyMillis, limit: 1000, unit: "ms" },
    { what: `start to ${PEERS} peers programmed`, measured: full.programmedMillis, limit: 1400, unit: "ms" },
    { what: `${BURST} leases at once: last write to programmed`, measured: burst, limit: 150, unit: "ms" },
    { what: `CPU when idle with ${PEERS} peers`, measured: idle.cpu, limit: 0.1, unit: "%" },
    { what: `RssAnon when idle with ${PEERS} peers`, measured: idle.memory, limit: 30, unit: "MiB" },
    { what: "etcd requests of a start without peers", measured: empty.requests, limit: full.requests, unit: "" },
    { what: `etcd requests of a start with ${PEERS} peers`, measured: full.requests, limit: empty.requests, unit: "" },
  ];
}

function printTable(figures: readonly Figure[]): void {
  const width = Math.max(...figures.map(({ what }) => what.length));
  console.log(`${"".padEnd(width)}  ${"measured".padStart(12)}  ${"at most".padStart(12)}`);
  for (const { what, measured, limit, unit } of figures) {
    const cell = (value: number) => `${Number(value.toFixed(2))} ${unit}`.trim().padStart(12);
    console.log(`${what.padEnd(width)}  ${cell(measured)}  ${cell(limit)}${measured > limit ? "  TOO MUCH" : ""}`);
  }
}

async function main(): Promise<void> {
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort(new Error("interrupted")));
  const { signal } = controller;
  await using topology = await openTopology({ hosts: 1 }, signal);
  const [host] = topology.hosts;
  if (!host) throw new Error("the lab has no host");
  const { namespace, address } = topology.etcd;
  await using etcd = await startEtcd({ namespace, address }, signal);
  const bench: Bench = { topology, host, etcd, endpoint: `http://${address}:2379`, signal };
  await etcdctl(bench, "put", `${PREFIX}/config`, NETWORK_CONFIG);
  const figures = await measureAll(bench);
  if (flags.json) console.log(JSON.stringify(figures, null, 2));
  else printTable(figures);
  if (figures.some(({ measured, limit }) => measured > limit)) process.exitCode = 1;
}

await main();
