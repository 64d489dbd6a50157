// The command `peers`: the other hosts as the daemon of this one has them, and the records of which it makes nothing.

import type { Json } from "../base/json.ts";
import type { DaemonCall } from "../cli/verbs.ts";
import type { DaemonStatus, PeerStatus, ProbeStatus } from "../status/snapshot.ts";
import { askStatus, findDaemon } from "./daemons.ts";
import { printJson, printLines, printTable, tell } from "./print.ts";
import { formatAge, formatBytes, join } from "./status-text.ts";
import type { OperatorPorts } from "./verb.ts";

export async function listPeers(call: DaemonCall, ports: OperatorPorts, signal: AbortSignal): Promise<number> {
  const { out, err } = ports;
  const status = await askStatus(await findDaemon(call, ports, signal), call, ports, signal);
  const { peers, leftOut, peerCounts } = status;
  const waiting = waitsFor(status);
  if (waiting !== null) tell(err, waiting);
  if (call.json) {
    printJson(out, { peers, leftOut, counts: peerCounts } as unknown as Json);
    return exitOfPeers(status);
  }
  // Before the lease is held nothing is known of peers: that is not the same as none.
  if (status.reconcile === null) return exitOfPeers(status);
  const { heading, rows } = peerTable(status);
  if (rows.length > 0) printTable(out, heading, rows);
  if (leftOut.length > 0) {
    const rows = leftOut.map(({ key, publicIp, reason }) => [key, publicIp ?? "-", reason]);
    printTable(out, ["RECORD", "PUBLIC IP", "WHY IT IS LEFT OUT"], rows);
  }
  const parts = Object.entries(peerCounts).map(([state, count]) => `${count} ${state}`);
  printLines(out, [out.style.faint(parts.join(", "))]);
  return exitOfPeers(status);
}

/** Why the host is not ready: the first check that fails, which those after it wait for. */
function waitsFor({ checks }: DaemonStatus): string | null {
  const failing = checks.find(({ reason }) => reason !== null);
  return failing ? `the host is not ready: ${failing.name}: ${failing.reason}` : null;
}

/** A record that is left out is its own host's trouble. */
function exitOfPeers({ state, peerCounts }: DaemonStatus): number {
  if (state === "not ready") return 2;
  return peerCounts.missing + peerCounts.held > 0 ? 1 : 0;
}

/** Columns for which nobody has anything to say are left out; that of round trips says that nobody has asked. */
function peerTable({ peers, at }: Pick<DaemonStatus, "peers" | "at">): {
  readonly heading: readonly string[];
  readonly rows: readonly (readonly string[])[];
} {
  const isCounted = peers.some(({ traffic }) => traffic !== null);
  const isProbed = peers.some(({ probes }) => probes.length > 0);
  const isNoted = peers.some(({ reason }) => reason !== null);
  const columns: readonly (readonly [string, (peer: PeerStatus) => string])[] = [
    ["SUBNET", ({ subnet, subnet6 }) => join(subnet, subnet6)],
    ["PUBLIC IP", ({ publicIp, publicIpv6 }) => join(publicIp, publicIpv6)],
    ["STATE", ({ state }) => state],
    ["FOR", ({ since }) => formatAge(since, at)],
    ...(isCounted ? TRAFFIC : []),
    ["RTT", ({ rttSeconds }) => (rttSeconds === null ? "-" : `${(rttSeconds * 1000).toFixed(2)} ms`)],
    ...(isProbed ? PROBES : []),
    ...(isNoted ? ([["WHY", ({ reason }) => reason ?? ""]] as const satisfies typeof TRAFFIC) : []),
  ];
  return { heading: columns.map(([name]) => name), rows: peers.map((peer) => columns.map(([, cell]) => cell(peer))) };
}

const TRAFFIC: readonly (readonly [string, (peer: PeerStatus) => string])[] = [
  ["RECEIVED", ({ traffic }) => (traffic ? formatBytes(traffic.receivedBytes) : "-")],
  ["SENT", ({ traffic }) => (traffic ? formatBytes(traffic.sentBytes) : "-")],
];

/** Loss of the worst way; the path through the overlay, which is the one that pods' packets take, by family. */
const PROBES: typeof TRAFFIC = [
  [
    "LOSS",
    ({ probes }) =>
      probes.length === 0 ? "-" : `${Math.round(100 * Math.max(...probes.map(({ lossRatio }) => lossRatio)))} %`,
  ],
  ["PATH MTU", ({ probes }) => formatPaths(probes)],
];

/** "1450", "1450 (IPv4) 1430 (IPv6)"; of a backend without an overlay of its own that on the underlay. */
function formatPaths(probes: readonly ProbeStatus[]): string {
  const through = probes.filter(({ over }) => over === "overlay");
  const shown = through.length > 0 ? through : probes;
  const families = new Set(shown.map(({ address }) => familyName(address)));
  const cells = shown.map(({ address, pathMtu }) => {
    const size = pathMtu === null ? "-" : String(pathMtu);
    return families.size > 1 ? `${size} (${familyName(address)})` : size;
  });
  return cells.join(" ") || "-";
}

function familyName(address: string): "IPv4" | "IPv6" {
  return address.includes(":") ? "IPv6" : "IPv4";
}
