// Whose a record is. Compat: the Go daemon knows hosts by their public IP alone, so that two hosts with one address
// (cloned machines, machines behind NAT) share a record and each takes the other's packets. Our records also name their
// host by an id that it keeps. Pure.

import { type Ipv4, NO_IPV4 } from "../base/ip.ts";
import type { Ipv6 } from "../base/ipv6.ts";
import type { Announcement, LeaseAttrs, NodeId } from "./lease.ts";

/** What a host is known by. */
export interface Identity {
  /** Null when the host has nowhere to keep one: then it is known by its public IP, as to the Go daemon. */
  readonly nodeId: NodeId | null;
  /** NO_IPV4 in a network without IPv4. */
  readonly publicIp: Ipv4;
  /** Null in a network without IPv6. */
  readonly publicIpv6: Ipv6 | null;
}

/**
 * By IPv4 where both have it, else by IPv6. Compat: the Go daemon looks at IPv4 alone, and so takes every host of a
 * network without it for one and the same.
 */
export function sharesAddress(
  a: Pick<Announcement, "publicIp" | "publicIpv6">,
  b: Pick<Announcement, "publicIp" | "publicIpv6">,
): boolean {
  if (a.publicIp !== NO_IPV4 && b.publicIp !== NO_IPV4) return a.publicIp === b.publicIp;
  return a.publicIpv6 !== null && a.publicIpv6 === b.publicIpv6;
}

/**
 * `disputed`: one of id and address is ours and the other is not. Either the record is our own of a time before this host
 * was installed anew or given another address, or another host has our address or a copy of our disk: only a challenge
 * can tell (challenge.ts).
 */
export type Ownership = "ours" | "disputed" | "another's";

/** A record without an id is judged by its address. */
export function ownershipOf(attrs: LeaseAttrs, self: Identity): Ownership {
  const { nodeId } = attrs;
  const hasOurAddress = sharesAddress(attrs, self);
  if (nodeId === null || self.nodeId === null) return hasOurAddress ? "ours" : "another's";
  const hasOurId = nodeId === self.nodeId;
  if (hasOurAddress && hasOurId) return "ours";
  return hasOurAddress || hasOurId ? "disputed" : "another's";
}
