// What the page's model is made of, for tests: three hosts of a vxlan network on which all is well, to change.

import type { EpochMillis } from "../../src/base/brand.ts";
import type { Json } from "../../src/base/json.ts";
import type { PublicStatus } from "../../src/status/report.ts";
import type { DaemonStatus } from "../../src/status/snapshot.ts";
import type { Facts, HostAnswer, LookedLease, StoreLook } from "../../src/web/facts.ts";
import { leaseOf, networkOf } from "./leases.ts";
import { peerStatusOf, snapshotOf } from "./snapshots.ts";

export const NOW = Date.UTC(2026, 2, 1, 13, 2, 4) as EpochMillis;

/** By address: subnet and public IP. */
export const HOSTS = [
  ["10.5.7.0/24", "192.168.64.3"],
  ["10.5.9.0/24", "192.168.64.4"],
  ["10.5.52.0/24", "192.168.64.2"],
] as const;

export function lookedLease(subnet: string, publicIp: string, changes: Partial<LookedLease> = {}): LookedLease {
  return { lease: leaseOf({ subnet, publicIp }), term: { kind: "leased" }, problem: null, ...changes };
}

export function lookOf(changes: Partial<StoreLook> = {}, config: Json = { Network: "10.5.0.0/16" }): StoreLook {
  const { ipv4, ipv6 } = networkOf(config);
  return {
    at: NOW,
    network: { ipv4, ipv6, backend: "vxlan" },
    configProblem: null,
    leases: HOSTS.map(([subnet, publicIp]) => lookedLease(subnet, publicIp)),
    bad: [],
    spoilt: [],
    free: 252,
    total: 255,
    ...changes,
  };
}

/** Of the host with this subnet, which has all others as peers. */
export function statusOf(subnet: string, changes: Partial<DaemonStatus> = {}): PublicStatus {
  const { options: _, ...status } = snapshotOf();
  const peers = HOSTS.filter(([other]) => other !== subnet).map(([other, publicIp]) => peerStatusOf(other, publicIp));
  const lease = status.lease && { ...status.lease, subnet };
  return { ...status, lease, peers, ...changes };
}

export function answerOf(subnet: string, changes: Partial<HostAnswer> = {}): HostAnswer {
  return { status: statusOf(subnet), heard: NOW, trouble: null, rates: [], events: [], ...changes };
}

export function factsOf(changes: Partial<Facts> = {}): Facts {
  return {
    now: NOW,
    prefix: "/coreos.com/network",
    look: lookOf(),
    storeTrouble: null,
    answers: new Map(HOSTS.map(([subnet, publicIp]) => [publicIp, answerOf(subnet)])),
    ...changes,
  };
}
