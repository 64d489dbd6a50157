// All leases as an operator looks at them. Pure: from a list, the time that each has left and the config to rows, sums
// and JSON.

import type { EpochMillis } from "../base/brand.ts";
import { ipv4Number, prefix4Address } from "../base/ip.ts";
import type { Json } from "../base/json.ts";
import { countFreeSubnets } from "../subnet/acquire.ts";
import type { Lease, LeaseTerm, SubnetKey } from "../subnet/lease.ts";
import type { BadRecord, LeaseList } from "../subnet/lease-store.ts";
import { countSubnets } from "../subnet/network-config.ts";
import type { ValidConfig } from "./check-config.ts";
import { misfit, spoiltSubnets } from "./fit.ts";

export interface ReportedLease {
  readonly lease: Lease;
  /** `leased` when nobody has asked how long. */
  readonly term: LeaseTerm;
  /** Why daemons that go by the config make no use of it, as a clause. */
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
  const leases = list.leases
    .toSorted((a, b) => startOf(a) - startOf(b))
    .map((lease) => ({ lease, term: terms.get(lease.key) ?? lease.term, problem: config && problemOf(lease, config) }));
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

function problemOf({ subnet, attrs }: Lease, { ipv4, network }: ValidConfig): string | null {
  const { type } = network.backend;
  const backend = backendName(attrs.backendType);
  return misfit(ipv4, subnet.v4) ?? (backend === type ? null : `the config says ${type}`);
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
      return formatDuration(Math.max(0, Math.floor((term.at - now) / 1000)));
  }
}

/** The two largest units: "23h59m", "5m07s", "12s". */
export function formatDuration(seconds: number): string {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (count: number) => String(count).padStart(2, "0");
  if (hours > 0) return `${hours}h${two(minutes)}m`;
  return minutes > 0 ? `${minutes}m${two(rest)}s` : `${rest}s`;
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
