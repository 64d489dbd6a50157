// A daemon's snapshot as one screen for a person. Pure. Moments are told by the daemon's own clock, as the time that has
// passed.

import { seconds } from "../base/brand.ts";
import { formatDuration } from "../base/duration.ts";
import { pasteCommand } from "../base/paste.ts";
import { formatRemedy } from "../base/remedy.ts";
import { escapeControls, formatCount, type Style } from "../base/terminal-text.ts";
import type { CheckStatus } from "../status/readiness.ts";
import type {
  BackendStatus,
  DaemonStatus,
  LeaseStatus,
  Moment,
  StoreStatus,
  UnderlayStatus,
} from "../status/snapshot.ts";

type Pair = readonly [name: string, value: string];

const REPAIRS_SHOWN = 5;
const KEPT_SHOWN = 5;
const LEFT_OUT_SHOWN = 5;

/** `asking`: flags of a command that asks the same daemon. */
export function formatStatus(status: DaemonStatus, style: Style, asking: readonly string[]): readonly string[] {
  return [
    headline(status, style),
    ...pairLines(facts(status)),
    ...section("not ready", failing(status.checks), style, style.bad),
    ...section("degraded", mended(status.degraded), style, style.bad),
    ...section("last repairs", lastRepairs(status), style, null),
    ...section("kept without a record", kept(status, asking), style, null),
    ...section("records left out", leftOut(status, asking), style, null),
  ];
}

function headline({ state, process }: DaemonStatus, style: Style): string {
  const paint = state === "ready" ? style.good : style.bad;
  const { version, pid, uptimeSeconds, residentBytes, logLevel } = process;
  const about = `process ${pid}, up ${formatSeconds(uptimeSeconds)}, ${formatBytes(residentBytes)}, log level ${logLevel}`;
  return `${style.heading(`flanneld ${version}`)}  ${paint(state)}  ${style.faint(about)}`;
}

function facts(status: DaemonStatus): readonly Pair[] {
  const { network, subnets, backend, underlay, lease, store, at } = status;
  const room = subnets ? `, ${formatCount(subnets.free)} of ${formatCount(subnets.total)} subnets free` : "";
  const range = network && join(network.ipv4, network.ipv6);
  return [
    ["network", network ? `${range} at ${network.configKey}${room}` : "not known yet"],
    ["lease", lease ? formatLease(lease, at) : "none yet"],
    ...(backend ? [["backend", formatBackend(backend)] as const] : []),
    ...(underlay
      ? [["underlay", `${underlay.interface} ${formatAddress(underlay)}, MTU ${underlay.mtu}`] as const]
      : []),
    ["store", formatStore(store, at)],
    ...(status.reconcile ? [["peers", formatPeers(status)] as const] : []),
    ...(isUnprobed(status) ? [["paths", UNPROBED] as const] : []),
    ...programmed(status),
  ];
}

/** "vxlan on flannel.1, MTU 1450"; of several devices each has its own, and pods have the smallest. */
function formatBackend({ type, device, mtu, devices }: BackendStatus): string {
  if (devices.length < 2) return `${type}${device === null ? "" : ` on ${device}`}, MTU ${mtu}`;
  const each = devices.map((one) => `${one.name} (MTU ${one.mtu})`).join(" and ");
  return `${type} on ${each}, MTU ${mtu} for pods`;
}

function formatAddress({ address, publicIp, address6, publicIpv6 }: UnderlayStatus): string {
  const [own, told] = [join(address, address6), join(publicIp, publicIpv6)];
  return own === told ? own : `${own}, public IP ${told}`;
}

/** Of two families what there is. */
export function join(v4: string | null, v6: string | null): string {
  return [v4, v6].filter((one) => one !== null).join(" ");
}

function formatLease(
  { subnet, subnet6, held, kind, remainingSeconds, renewed, publicIp, publicIpv6 }: LeaseStatus,
  at: Moment,
): string {
  const [subnets, host] = [join(subnet, subnet6), join(publicIp, publicIpv6)];
  if (!held) return `${subnets} belongs to another host now`;
  const last = renewed === null ? "not confirmed since the start" : `renewed ${formatAge(renewed, at)} ago`;
  if (kind === "reserved") return `${subnets} for ${host}, reserved, no end`;
  if (remainingSeconds === null) return `${subnets} for ${host}, ${last}`;
  const left = remainingSeconds > 0 ? `${formatSeconds(remainingSeconds)} left` : "expired";
  return `${subnets} for ${host}, ${left}, ${last}`;
}

function formatStore({ endpoints, connected, lastAnswer, revision }: StoreStatus, at: Moment): string {
  const state = connected === null ? "not asked yet" : connected ? "connected" : "not connected";
  const parts = [
    `etcd at ${endpoints.join(", ")}`,
    state,
    ...(revision === null ? [] : [`revision ${revision}`]),
    ...(lastAnswer === null ? [] : [`last answer ${formatAge(lastAnswer, at)} ago`]),
  ];
  return parts.join(", ");
}

/** Of what gets lost between the hosts the daemon knows nothing then. */
const UNPROBED = "not probed: flanneld check measures now what gets through, --probe-interval=10 all the time";

function isUnprobed({ peers }: DaemonStatus): boolean {
  return peers.length > 0 && peers.every(({ probes }) => probes.length === 0);
}

function formatPeers({ peerCounts: { programmed, missing, held, refused } }: DaemonStatus): string {
  const others = [
    ...(missing > 0 ? [`${missing} not programmed`] : []),
    ...(held > 0 ? [`${held} kept without a record`] : []),
    ...(refused > 0 ? [`${refused} ${refused === 1 ? "record" : "records"} left out`] : []),
  ];
  return [`${programmed} programmed`, ...others].join(", ");
}

function programmed({ reconcile, firewall, devices, datapath }: DaemonStatus): readonly Pair[] {
  const pairs: Pair[] = [];
  if (reconcile) {
    const [desired, actual] = [sum(reconcile.desired), sum(reconcile.actual)];
    const repaired = reconcile.repaired === 0 ? "" : `, ${reconcile.repaired} repaired`;
    pairs.push(["kernel", `${actual} of ${desired} objects in place, ${reconcile.passes} passes${repaired}`]);
  }
  if (firewall) {
    const repaired = firewall.repaired === 0 ? "" : `, put back ${firewall.repaired} times`;
    pairs.push(["firewall", `${firewall.mode} (${firewall.tools.join(", ")}), ${firewall.checks} checks${repaired}`]);
  }
  for (const { name, traffic } of devices) {
    const { receivedBytes, sentBytes } = traffic;
    pairs.push(["traffic", `received ${formatBytes(receivedBytes)}, sent ${formatBytes(sentBytes)} on ${name}`]);
  }
  if (datapath) {
    const dropped = sum(
      Object.fromEntries(Object.entries(datapath.counters).filter(([name]) => /^dropped/.test(name))),
    );
    const { receivedPackets = 0, sentPackets = 0 } = datapath.counters;
    pairs.push(["datapath", `received ${receivedPackets} packets, sent ${sentPackets}, dropped ${dropped}`]);
  }
  return pairs;
}

function failing(checks: readonly CheckStatus[]): readonly Pair[] {
  return checks.flatMap(({ name, reason }) => (reason === null ? [] : [[name, reason] as const]));
}

/** With what mends it below. Daemons before this one tell none. */
function mended(degraded: DaemonStatus["degraded"]): readonly Pair[] {
  return degraded.flatMap(({ name, reason, remedy, command }) => {
    const how = formatRemedy({ remedy: remedy ?? null, command });
    return [...failing([{ name, reason }]), ...(reason !== null && how ? [["", how] as const] : [])];
  });
}

function lastRepairs({ reconcile, at }: DaemonStatus): readonly Pair[] {
  const repairs = reconcile?.lastRepairs ?? [];
  return repairs
    .slice(-REPAIRS_SHOWN)
    .toReversed()
    .map((repair) => [`${formatAge(repair.at, at)} ago`, `${repair.op} ${repair.object}`] as const);
}

/** Peers whose records are gone or unreadable. Daemons before this one do not tell for how long they are kept. */
function kept({ peers }: DaemonStatus, asking: readonly string[]): readonly Pair[] {
  const held = peers.filter(({ state }) => state === "held");
  const shown = held
    .slice(0, KEPT_SHOWN)
    .map(({ subnet, subnet6, publicIp, publicIpv6, reason, keptSeconds }): Pair => {
      const left = keptSeconds == null ? "" : `, kept for ${formatSeconds(keptSeconds)} more`;
      return [join(subnet, subnet6), `${join(publicIp, publicIpv6)}: ${reason}${left}`];
    });
  const rest = held.length - shown.length;
  return rest > 0 ? [...shown, ["...", `${rest} more: ${pasteCommand("peers", asking)}`]] : shown;
}

function leftOut({ leftOut }: DaemonStatus, asking: readonly string[]): readonly Pair[] {
  const shown = leftOut.slice(0, LEFT_OUT_SHOWN).map(({ key, reason }) => [key, reason] as const);
  const rest = leftOut.length - shown.length;
  return rest > 0 ? [...shown, ["...", `${rest} more: ${pasteCommand("peers", asking)}`]] : shown;
}

function section(
  title: string,
  pairs: readonly Pair[],
  style: Style,
  paint: ((text: string) => string) | null,
): readonly string[] {
  if (pairs.length === 0) return [];
  return [(paint ?? style.heading)(title), ...pairLines(pairs)];
}

function pairLines(pairs: readonly Pair[]): readonly string[] {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `  ${escapeControls(name).padEnd(width)}  ${escapeControls(value)}`);
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

export function formatAge(since: Moment, at: Moment): string {
  return formatSeconds(Math.max(0, (Date.parse(at) - Date.parse(since)) / 1000));
}

function formatSeconds(count: number): string {
  return formatDuration(seconds(Math.floor(count)));
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${UNITS[power]}`;
}
