// Runs iperf3 and ping between two pods and returns what they found.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "../../lab/cni.ts";
import { attempt, run, toolEnvironment } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { Figures } from "./figures.ts";
import { parseTcpReport, parseUdpReport, type UdpReport } from "./iperf-report.ts";
import type { OpenPath } from "./open-path.ts";
import type { DatapathOptions } from "./options.ts";
import { readProcessorSeconds } from "./processor-time.ts";
import { parseRoundTrips, type RoundTrips } from "./round-trips.ts";

/** A full packet of any overlay, and one of a game or a resolver. */
const LARGE = 1400;
const SMALL = 64;
const STREAMS = 4;
const PINGS_PER_SECOND = 1000;

/** How long a test may take beyond its time: for its connections, and for what is still queued at its end. */
const GRACE = 20;
const SERVER_LIMIT = seconds(5);

/** How to measure: seconds for each, and TCP's congestion control. */
export type Manner = Pick<DatapathOptions, "seconds" | "congestion">;

export async function measureAll(path: OpenPath, manner: Manner, signal: AbortSignal): Promise<Figures> {
  const { seconds: duration } = manner;
  const one = await measureTcp(path, 1, manner, signal);
  const four = await measureTcp(path, STREAMS, manner, signal);
  const large = await measureUdp(path, LARGE, duration, signal);
  const small = await measureUdp(path, SMALL, duration, signal);
  const trips = await measureRoundTrips(path, duration, signal);
  return {
    tcpGigabitsPerSecond: one.gigabitsPerSecond,
    tcpRetransmits: one.retransmits,
    tcpCpuPerGigabit: one.machine / one.gigabits,
    tcpDaemonCpuPerGigabit: one.daemons / one.gigabits,
    tcp4GigabitsPerSecond: four.gigabitsPerSecond,
    tcp4Retransmits: four.retransmits,
    udp1400Sent: large.sentPerSecond,
    udp1400Received: large.receivedPerSecond,
    udp1400LossPercent: large.lossPercent,
    udp64Sent: small.sentPerSecond,
    udp64Received: small.receivedPerSecond,
    udp64LossPercent: small.lossPercent,
    rttMin: trips.min,
    rttP50: trips.p50,
    rttP90: trips.p90,
    rttP99: trips.p99,
    rttMax: trips.max,
  };
}

async function measureTcp(path: OpenPath, streams: number, manner: Manner, signal: AbortSignal) {
  const flags = ["-P", String(streams), ...(manner.congestion === null ? [] : ["-C", manner.congestion])];
  const hosts = [path.from.host.namespace, path.to.host.namespace];
  using _ = await startServer(path.to, signal);
  const before = readProcessorSeconds(hosts);
  const json = await runClient(path, flags, manner.seconds, signal);
  const after = readProcessorSeconds(hosts);
  const used = { machine: after.machine - before.machine, daemons: after.daemons - before.daemons };
  return { ...parseTcpReport(json), ...used };
}

async function measureUdp(path: OpenPath, payload: number, duration: number, signal: AbortSignal): Promise<UdpReport> {
  using _ = await startServer(path.to, signal);
  const flags = ["-u", "-b", "0", "-l", String(payload)];
  return parseUdpReport(await runClient(path, flags, duration, signal), payload);
}

/** The lines go to a file: a reader that wakes up for each would take the processor that is measured. */
async function measureRoundTrips({ from, to }: OpenPath, duration: number, signal: AbortSignal): Promise<RoundTrips> {
  const count = duration * PINGS_PER_SECOND;
  const file = join(from.host.directory, "ping.txt");
  const command = `exec ping -n -i ${1 / PINGS_PER_SECOND} -c ${count} -W 1 ${to.address} >${file}`;
  await run(inNamespace(from.namespace, ["sh", "-c", command]), { limit: seconds(duration + GRACE) }, signal);
  return parseRoundTrips(readFileSync(file, "utf8"));
}

/** The exit status is not asked: the report says more. */
async function runClient(
  { from, to }: OpenPath,
  flags: readonly string[],
  duration: number,
  signal: AbortSignal,
): Promise<string> {
  const client = ["iperf3", "-c", to.address, "-J", "-t", String(duration), ...flags];
  const { stdout } = await attempt(inNamespace(from.namespace, client), { limit: seconds(duration + GRACE) }, signal);
  return stdout;
}

/** A server for one test: one that has lost its client in a flood cannot then be in the way of the next. */
async function startServer(pod: Pod, signal: AbortSignal): Promise<Disposable> {
  const [program = "", ...args] = inNamespace(pod.namespace, ["iperf3", "-s", "-1", "--forceflush"]);
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
    env: toolEnvironment(),
  });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const look = () => {
    if (child.exitCode !== null) throw new Error(`the server of iperf3 ended with status ${child.exitCode}`);
    return said.includes("listening") || null;
  };
  try {
    await waitFor("the server of iperf3", look, SERVER_LIMIT, signal);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  return { [Symbol.dispose]: () => void child.kill("SIGKILL") };
}
