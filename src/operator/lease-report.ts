// All leases as an operator looks at them. Pure: from a list, the time that each has left and the config to rows, sums
// and JSON.

import { createBackend } from "../backends/registry.ts";
import { type EpochMillis, seconds } from "../base/brand.ts";
import { formatDuration } from "../base/duration.ts";
import { type Ipv4, ipv4Number, isUnicastIpv4, prefix4Address } from "../base/ip.ts";
import type { Json } from "../base/json.ts";
import { countFreeSubnets } from "../subnet/acquire.ts";
import type { Lease, LeaseTerm, NodeId, SubnetKey } from "../subnet/lease.ts";
import type { BadRecord, LeaseList } from "../subnet/lease-store.ts";
import { countSubnets } from "../subnet/network-config.ts";
import type { ValidConfig } from "./check-config.ts";
import { misfit, spoiltSubnets } from "./fit.ts";

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
  readonly room: { readonly free: number; readonly total: number } | null;
}

export function reportLeases(
  list: LeaseList,
  terms: ReadonlyMap<SubnetKey, LeaseTerm>,
  config: ValidConfig | null,
): LeaseReport {
  const judge = config && createJudge(list.leases, config);
  const leases = list.leases
    .toSorted((a, b) => startOf(a) - startOf(b))
    .map((lease) => ({ lease, term: terms.get(lease.key) ?? lease.term, problem: judge?.(lease) ?? null }));
  const taken = [...list.leases.map(({ subnet }) => subnet.v4), ...list.bad.flatMap(({ key }) => spoiltSubnets(key))];
  const reserved = leases.filter(({ term }) => term.kind === "reserved").length;
  return {
    leases,
    bad: list.bad,
    leased: leases.length - reserved,
    reserved,
    room: config && { free: countFreeSubnets(config.ipv4, taken), total: countSubnets(config.ipv4) },
  };
}

/** What leases are sorted by. */
export function startOf({ subnet }: Lease): number {
  return ipv4Number(prefix4Address(subnet.v4));
}

/** Why daemons that go by the config make no use of a record, or send its packets to the wrong host. */
function createJudge(leases: readonly Lease[], { ipv4, network }: ValidConfig): (lease: Lease) => string | null {
  const { type } = network.backend;
  const backend = createBackend(network.backend);
  const rivalOf = createRivals(leases);
  return (lease) => {
    const { subnet, attrs, term } = lease;
    const outside = misfit(ipv4, subnet.v4);
    if (outside !== null) return outside;
    if (backendName(attrs.backendType) !== type) return `the config says ${type}`;
    if (!isUnicastIpv4(attrs.publicIp)) return "its public IP is not an address that a packet can be sent to";
    // A reservation for a host that has not started yet has nothing more.
    const isForLater = term.kind === "reserved" && attrs.backendData === null;
    const fault = isForLater ? null : backend.recordFault(lease);
    if (fault !== null) return fault;
    const rival = rivalOf(lease);
    return (
      rival && `its public IP is also that of ${rival.subnet.v4}, whose host is another (node ${rival.attrs.nodeId})`
    );
  };
}

/** Another host's record with the same public IP. Records without a node id may all be of one host. */
function createRivals(leases: readonly Lease[]): (lease: Lease) => Lease | null {
  const byAddress = new Map<Ipv4, Map<NodeId, Lease>>();
  for (const lease of leases) {
    const { publicIp, nodeId } = lease.attrs;
    const hosts = byAddress.get(publicIp) ?? new Map<NodeId, Lease>();
    byAddress.set(publicIp, hosts);
    // Two are enough to tell either of the other.
    if (nodeId !== null && hosts.size < 2 && !hosts.has(nodeId)) hosts.set(nodeId, lease);
  }
  return ({ attrs: { publicIp, nodeId } }) => {
    const others = [...(byAddress.get(publicIp) ?? [])].filter(([id]) => id !== nodeId);
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
    const address = subnet.v6 === null ? subnet.v4 : `${subnet.v4} ${subnet.v6}`;
    return choose([address, attrs.publicIp, backendName(attrs.backendType), kind, timeLeft(term, now), problem ?? ""]);
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
  if (room) parts.push(`${room.free} free of ${room.total}`);
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
