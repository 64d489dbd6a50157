// All leases as an operator looks at them. Pure: from a list, the time that each has left and the config to rows, sums
// and JSON.

import { createBackend } from "../backends/registry.ts";
import { type EpochMillis, seconds } from "../base/brand.ts";
import { formatDuration } from "../base/duration.ts";
import { type Ip, ipv4Number, isUnicastIpv4, prefix4Address, prefix4Contains } from "../base/ip.ts";
import { isUnicastIpv6, prefix6Contains } from "../base/ipv6.ts";
import type { Json } from "../base/json.ts";
import { formatCount } from "../base/terminal-text.ts";
import {
  describeSubnet,
  hasIpv4,
  hostIp,
  isForLater,
  type Lease,
  type LeaseTerm,
  type NodeId,
  type SubnetKey,
} from "../subnet/lease.ts";
import type { BadRecord, LeaseList } from "../subnet/lease-store.ts";
import { countRoom, type Room } from "../subnet/room.ts";
import type { ValidConfig } from "./check-config.ts";
import { misfit, misfit6, spoiltParts } from "./fit.ts";

export interface ReportedLease {
  readonly lease: Lease;
  /** `leased` when nobody has asked how long. */
  readonly term: LeaseTerm;
  /** Why daemons that go by the config make no use of it, or send its packets to the wrong host, as a clause. */
  readonly problem: string | null;
}

export interface LeaseReport {
  /** By address. */
  readonly leases: readonly ReportedLease[];
  readonly bad: readonly BadRecord[];
  readonly leased: number;
  readonly reserved: number;
  /** Null without a valid network config. */
  readonly room: Room | null;
}

export function reportLeases(
  list: LeaseList,
  terms: ReadonlyMap<SubnetKey, LeaseTerm>,
  config: ValidConfig | null,
): LeaseReport {
  const judge = config && createJudge(list.leases, config);
  const leases = list.leases
    .toSorted(byStart)
    .map((lease) => ({ lease, term: terms.get(lease.key) ?? lease.term, problem: judge?.(lease) ?? null }));
  const reserved = leases.filter(({ term }) => term.kind === "reserved").length;
  return {
    leases,
    bad: list.bad,
    leased: leases.length - reserved,
    reserved,
    room: config && roomIn(config, list),
  };
}

/** How leases are sorted: by IPv4 subnet, then by key. */
export function byStart(a: Lease, b: Lease): number {
  return startOf(a) - startOf(b) || (a.key < b.key ? -1 : 1);
}

function startOf({ subnet }: Lease): number {
  return ipv4Number(prefix4Address(subnet.v4));
}

function roomIn({ network }: ValidConfig, list: LeaseList): Room {
  return countRoom(network, [
    ...list.leases.map(({ subnet }) => subnet),
    ...list.bad.flatMap(({ key }) => spoiltParts(key)),
  ]);
}

const LACKS = "until flanneld is restarted there it has no";

/** The subnet of each family is one that the daemon could lease. */
function misplaced({ subnet }: Lease, { network: { ipv4, ipv6 } }: ValidConfig): string | null {
  const fault4 = ipv4 && (hasIpv4(subnet) || !ipv6 ? misfit(ipv4, subnet.v4) : `${LACKS} IPv4`);
  const fault6 = ipv6 && (subnet.v6 ? misfit6(ipv6, subnet.v6) : `${LACKS} IPv6`);
  return fault4 ?? fault6;
}

function isReachable({ attrs: { publicIp, publicIpv6 } }: Lease, { network: { ipv4, ipv6 } }: ValidConfig): boolean {
  const reaches6 = publicIpv6 !== null && isUnicastIpv6(publicIpv6);
  return (ipv4 === null || isUnicastIpv4(publicIp)) && (ipv6 === null || reaches6);
}

function isInItself({ subnet, attrs: { publicIp, publicIpv6 } }: Lease): boolean {
  const { v4, v6 } = subnet;
  if (hasIpv4(subnet) && prefix4Contains(v4, publicIp)) return true;
  return v6 !== null && publicIpv6 !== null && prefix6Contains(v6, publicIpv6);
}

/** Why daemons that go by the config make no use of a record, or send its packets to the wrong host. */
function createJudge(leases: readonly Lease[], config: ValidConfig): (lease: Lease) => string | null {
  const { type } = config.network.backend;
  const backend = createBackend(config.network.backend);
  const rivalOf = createRivals(leases);
  return (lease) => {
    const { attrs } = lease;
    const outside = misplaced(lease, config);
    if (outside !== null) return outside;
    if (backendName(attrs.backendType) !== type) return `the config says ${type}`;
    if (!isReachable(lease, config)) return "its public IP is not an address that a packet can be sent to";
    if (isInItself(lease)) return "its public IP is an address of its own subnet";
    const fault = isForLater(lease) ? null : backend.recordFault(lease);
    if (fault !== null) return fault;
    const rival = rivalOf(lease);
    return (
      rival &&
      `its public IP is also that of ${describeSubnet(rival.subnet)}, whose host is another (node ${rival.attrs.nodeId})`
    );
  };
}

/** Another host's record with the same public IP. Records without a node id may all be of one host. */
function createRivals(leases: readonly Lease[]): (lease: Lease) => Lease | null {
  const byAddress = new Map<Ip, Map<NodeId, Lease>>();
  for (const lease of leases) {
    const { nodeId } = lease.attrs;
    const address = hostIp(lease.attrs);
    const hosts = byAddress.get(address) ?? new Map<NodeId, Lease>();
    byAddress.set(address, hosts);
    // Two are enough to tell either of the other.
    if (nodeId !== null && hosts.size < 2 && !hosts.has(nodeId)) hosts.set(nodeId, lease);
  }
  return ({ attrs }) => {
    const { nodeId } = attrs;
    const others = [...(byAddress.get(hostIp(attrs)) ?? [])].filter(([id]) => id !== nodeId);
    return nodeId === null ? null : (others[0]?.[1] ?? null);
  };
}

/** Compat: records of the udp backend have no type. */
export function backendName(type: string): string {
  return type || "udp";
}

/** Columns; the last only if there is something to say. */
export function leaseTable(
  report: LeaseReport,
  now: EpochMillis,
): { readonly heading: readonly string[]; readonly rows: readonly (readonly string[])[] } {
  const isTimed = report.leases.some(({ term }) => term.kind === "until");
  const isNoted = report.leases.some(({ problem }) => problem !== null);
  const choose = <T>(cells: readonly [T, T, T, T, T, T]): readonly T[] =>
    cells.filter((_, column) => (column !== 4 || isTimed) && (column !== 5 || isNoted));
  const rows = report.leases.map(({ lease, term, problem }) => {
    const { subnet, attrs } = lease;
    const kind = term.kind === "reserved" ? "reserved" : "leased";
    const address = describeSubnet(subnet).replace(" and ", " ");
    return choose([address, hostIp(attrs), backendName(attrs.backendType), kind, timeLeft(term, now), problem ?? ""]);
  });
  return { heading: choose(["SUBNET", "PUBLIC IP", "BACKEND", "KIND", "TIME LEFT", "PROBLEM"]), rows };
}

function timeLeft(term: LeaseTerm, now: EpochMillis): string {
  switch (term.kind) {
    case "reserved":
      return "no end";
    case "leased":
      return "?";
    case "until":
      return formatDuration(seconds(Math.max(0, Math.floor((term.at - now) / 1000))));
  }
}

export function formatSummary({ leased, reserved, bad, room }: LeaseReport): string {
  const parts = [`${leased} ${leased === 1 ? "lease" : "leases"}`, `${reserved} reserved`];
  if (bad.length > 0) parts.push(`${bad.length} bad`);
  if (room) parts.push(`${formatCount(room.free)} free of ${formatCount(room.total)}`);
  return parts.join(", ");
}

export function reportJson({ leases, bad, leased, reserved, room }: LeaseReport): Json {
  return {
    leases: leases.map(({ lease: { subnet, attrs }, term, problem }) => ({
      subnet: subnet.v4,
      subnet6: subnet.v6,
      publicIp: attrs.publicIp,
      publicIpv6: attrs.publicIpv6,
      nodeId: attrs.nodeId,
      backend: backendName(attrs.backendType),
      backendData: attrs.backendData,
      kind: term.kind === "reserved" ? "reserved" : "leased",
      expires: term.kind === "until" ? new Date(term.at).toISOString() : null,
      problem,
    })),
    bad: bad.map(({ key, reason }) => ({ key, reason })),
    summary: { leased, reserved, bad: bad.length, free: room?.free ?? null, total: room?.total ?? null },
  };
}
