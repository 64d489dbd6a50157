// Whose a record is. Compat: the Go daemon knows hosts by their public IP alone, so that two hosts with one address
// (cloned machines, machines behind NAT) share a record and each takes the other's packets. Our records also name their
// host by an id that it keeps. Pure.

import type { Ipv4 } from "../base/ip.ts";
import type { LeaseAttrs, NodeId } from "./lease.ts";

/** What a host is known by. */
export interface Identity {
  /** Null when the host has nowhere to keep one: then it is known by its public IP, as to the Go daemon. */
  readonly nodeId: NodeId | null;
  readonly publicIp: Ipv4;
}

/**
 * `disputed`: one of id and address is ours and the other is not. Either the record is our own of a time before this host
 * was installed anew or given another address, or another host has our address or a copy of our disk: only a challenge
 * can tell (challenge.ts).
 */
export type Ownership = "ours" | "disputed" | "another's";

/** A record without an id is judged by its address. */
export function ownershipOf({ nodeId, publicIp }: LeaseAttrs, self: Identity): Ownership {
  const hasOurAddress = publicIp === self.publicIp;
  if (nodeId === null || self.nodeId === null) return hasOurAddress ? "ours" : "another's";
  const hasOurId = nodeId === self.nodeId;
  if (hasOurAddress && hasOurId) return "ours";
  return hasOurAddress || hasOurId ? "disputed" : "another's";
}
