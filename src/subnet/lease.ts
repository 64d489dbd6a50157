// A lease: one host's share of the network and how to reach it. The JSON form is byte for byte the Go daemon's.

import { type Brand, type EpochMillis, minutes } from "../base/brand.ts";
import { type Ip, type Ipv4, NO_IPV4, type Prefix4 } from "../base/ip.ts";
import type { Ipv6, Prefix6 } from "../base/ipv6.ts";
import type { Json } from "../base/json.ts";

export type { Json };

/** How long a lease lasts without renewal. Compat: the Go daemon's; its readers expect it. */
export const LEASE_TTL = minutes(24 * 60);

export interface Subnet {
  /** NO_SUBNET4 of a host without IPv4. */
  readonly v4: Prefix4;
  readonly v6: Prefix6 | null;
}

/** Compat: how the key of a host without IPv4 says so. */
export const NO_SUBNET4 = "0.0.0.0/0" as Prefix4;

export function hasIpv4({ v4 }: Subnet): boolean {
  return v4 !== NO_SUBNET4;
}

/** For people: "10.5.52.0/24", "10.5.52.0/24 and fd00:5:52::/64", "fd00:5:52::/64". */
export function describeSubnet(subnet: Subnet): string {
  const { v4, v6 } = subnet;
  if (v6 === null) return v4;
  return hasIpv4(subnet) ? `${v4} and ${v6}` : v6;
}

/** The last part of a lease's key: "10.5.52.0-24", dual-stack "10.5.52.0-24&fd00:5:52::-64", without IPv4 "0.0.0.0-0&...". */
export type SubnetKey = Brand<string, "SubnetKey">;

/** An int64 as text: the store's revision. */
export type Revision = Brand<string, "Revision">;

/** Tells hosts apart that have one public IP; 32 hex digits where we have made it. See identity.ts. */
export type NodeId = Brand<string, "NodeId">;

/** What a backend has its host's peers know. */
export interface Announcement {
  /** What peers send encapsulated packets to. "0.0.0.0" when the host has no IPv4. */
  readonly publicIp: Ipv4;
  readonly publicIpv6: Ipv6 | null;
  /** "vxlan", "host-gw"; "" for udp (Compat). Foreign types are kept, not rejected. */
  readonly backendType: string;
  readonly backendData: Json | null;
  readonly backendV6Data: Json | null;
}

/** What people know the host by: its public IPv4 address, or else its IPv6 one. */
export function hostIp({ publicIp, publicIpv6 }: Pick<Announcement, "publicIp" | "publicIpv6">): Ip {
  return publicIp === NO_IPV4 && publicIpv6 !== null ? publicIpv6 : publicIp;
}

/** Compat: the members below are not the Go daemon's, whose readers ignore them. */
export interface LeaseAttrs extends Announcement {
  /** Of the host that wrote the record; null when that was a Go daemon or an operator. */
  readonly nodeId: NodeId | null;
  /** Another host that asks whether the record's own still is there; see challenge.ts. */
  readonly challenger: NodeId | null;
}

/** `reserved`: the record has no etcd lease and does not expire (a reservation). */
export type LeaseTerm =
  | { readonly kind: "until"; readonly at: EpochMillis }
  | { readonly kind: "leased" }
  | { readonly kind: "reserved" };

/** A reservation for a host that has not started yet: it says where that is, and not what its backend adds. */
export function isForLater({ term, attrs }: Pick<Lease, "term" | "attrs">): boolean {
  const { backendData, backendV6Data, nodeId } = attrs;
  return term.kind === "reserved" && backendData === null && backendV6Data === null && nodeId === null;
}

/** Proof of what we last saw of a record, for compare-and-put. Opaque outside the store. */
export interface LeaseVersion {
  readonly modRevision: Revision;
  /** Since when there is a record under this key without a break. */
  readonly createRevision: Revision;
  /** etcd lease id as decimal text, "0" for none. */
  readonly leaseId: string;
}

export interface Lease {
  readonly key: SubnetKey;
  readonly subnet: Subnet;
  readonly attrs: LeaseAttrs;
  /**
   * `until` is known for our own lease only: asking for every peer's expiry would cost one request each, and nobody
   * uses it (a peer's end arrives as a removal). A peer's is `leased`.
   */
  readonly term: LeaseTerm;
  readonly version: LeaseVersion;
}
