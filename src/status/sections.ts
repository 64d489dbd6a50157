// What each part of the daemon knows -> its section of the snapshot. Pure.

import type { EpochMillis, Millis } from "../base/brand.ts";
import { DATAPATH_FEATURES, type DatapathCounters, type DatapathFeature } from "../base/datapath.ts";
import { type Ipv4, NO_IPV4, type Prefix4 } from "../base/ip.ts";
import type { ReconcileAccount } from "../net/account.ts";
import { describeObject, type NetKind } from "../net/objects.ts";
import type { ReconcileStatus } from "../net/progress.ts";
import type { Underlay } from "../net/underlay.ts";
import type { FollowCounts } from "../subnet/follow-leases.ts";
import { hasIpv4, type Lease, type Subnet } from "../subnet/lease.ts";
import type { LeaseAccount } from "../subnet/lease-account.ts";
import type { StoreCalls, StoreHealth } from "../subnet/lease-store.ts";
import type { LeaseTable } from "../subnet/lease-table.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";
import { countRoom } from "../subnet/room.ts";
import type {
  DatapathSnapshot,
  KindCounts,
  LeaseStatus,
  Moment,
  ReconcileSnapshot,
  StoreStatus,
  SubnetCounts,
  UnderlayStatus,
} from "./snapshot.ts";

export function moment(at: EpochMillis): Moment {
  return new Date(at).toISOString();
}

/** `followed`: null before the leases are followed. */
export function storeSection(
  endpoints: readonly string[],
  { trouble, certificates }: StoreHealth,
  { lastAnswer, lastFailure, methods }: StoreCalls,
  followed: { readonly trouble: string | null; readonly counts: FollowCounts; readonly revision: string } | null,
): StoreStatus {
  const isAsked = lastAnswer !== null || lastFailure !== null;
  return {
    endpoints,
    connected: isAsked ? trouble === null && (followed?.trouble ?? null) === null : null,
    lastAnswer: lastAnswer && moment(lastAnswer),
    lastError: lastFailure && { at: moment(lastFailure.at), reason: lastFailure.reason },
    revision: followed?.revision ?? null,
    certificates: certificates.map(({ whose, name, expires }) => ({ whose, name, expires: moment(expires) })),
    requests: methods,
    watch: followed?.counts ?? null,
  };
}

export function underlaySection({ link, mtu, address, publicIp, v6 }: Underlay): UnderlayStatus {
  return {
    interface: link,
    mtu,
    address: ipv4OrNull(address),
    publicIp: ipv4OrNull(publicIp),
    address6: v6?.address ?? null,
    publicIpv6: v6?.publicIp ?? null,
  };
}

/** Null in a network without IPv4. */
export function ipv4OrNull(ip: Ipv4): Ipv4 | null {
  return ip === NO_IPV4 ? null : ip;
}

/** Null of a host without IPv4. */
export function subnet4OrNull(subnet: Subnet): Prefix4 | null {
  return hasIpv4(subnet) ? subnet.v4 : null;
}

export interface HeldLease {
  readonly lease: Lease;
  readonly isHeld: boolean;
  readonly remaining: Millis | null;
  readonly trouble: string | null;
  readonly account: LeaseAccount;
}

export function leaseSection({ lease, isHeld, remaining, trouble, account }: HeldLease, now: EpochMillis): LeaseStatus {
  const { key, subnet, attrs, term } = lease;
  const { renewedAt, ...counts } = account;
  return {
    subnet: subnet4OrNull(subnet),
    subnet6: subnet.v6,
    key,
    publicIp: ipv4OrNull(attrs.publicIp),
    publicIpv6: attrs.publicIpv6,
    nodeId: attrs.nodeId,
    held: isHeld,
    kind: term.kind === "reserved" ? "reserved" : "leased",
    // By the clock that nobody sets: what the record said when it was given may be wrong by now.
    expires: remaining === null ? null : moment((now + remaining) as EpochMillis),
    remainingSeconds: remaining === null ? null : remaining / 1000,
    renewed: renewedAt && moment(renewedAt),
    trouble,
    counts,
  };
}

/** Records that daemons leave out because they are no leases take no subnet. */
export function subnetsSection(
  network: Pick<NetworkConfig, "ipv4" | "ipv6">,
  { leases }: Pick<LeaseTable, "leases">,
): SubnetCounts {
  const { total, free } = countRoom(
    network,
    [...leases.values()].map(({ subnet }) => subnet),
  );
  return { total, allocated: total - free, free };
}

export function reconcileSection(status: ReconcileStatus, account: ReconcileAccount): ReconcileSnapshot {
  const { readings, last, seconds, desired, actual, lastRepairs, errors } = account;
  return {
    passes: status.passes,
    readings,
    last: last && { at: moment(last.at), seconds: last.seconds },
    seconds,
    desired: kindCounts(desired),
    actual: kindCounts(actual),
    applied: status.applied,
    repaired: status.repaired,
    repairs: kindCounts(status.repairedKinds),
    lastRepairs: lastRepairs.map(({ at, op: { op, object } }) => ({
      at: moment(at),
      op,
      object: describeObject(object),
    })),
    errors,
    trouble: status.own ?? status.trouble,
  };
}

function kindCounts(counts: ReadonlyMap<NetKind, number>): KindCounts {
  return Object.fromEntries(counts);
}

export function datapathSection(carried: {
  readonly attached: string | null;
  readonly features: ReadonlySet<DatapathFeature>;
  readonly bufferSize: number;
  readonly counters: DatapathCounters;
}): DatapathSnapshot {
  const { attached, features, bufferSize, counters } = carried;
  const on = DATAPATH_FEATURES.filter((feature) => features.has(feature));
  const off = DATAPATH_FEATURES.filter((feature) => !features.has(feature));
  return { attached, features: { on, off }, bufferBytes: bufferSize, counters: { ...counters } };
}
