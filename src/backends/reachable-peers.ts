// To which of the admitted peers this host can send, and why not to the others: for the daemon's plan, and for the
// commands that say what a daemon would do. Each family is judged by itself where the whole does not do. Pure.

import type { Ip } from "../base/ip.ts";
import type { LeftOut } from "../subnet/admission.ts";
import { ownershipOf } from "../subnet/identity.ts";
import { hasIpv4, hostIp, isForLater, type Lease, type SubnetKey } from "../subnet/lease.ts";
import { withoutIpv4, withoutIpv6 } from "../subnet/lease-parts.ts";
import type { Backend } from "./backend.ts";

export interface Unreachable extends LeftOut {
  readonly peer: Ip;
}

export interface ReachablePeers {
  /** Those to which the backend can send; where a record no longer says how, as it was known before. */
  readonly peers: readonly Lease[];
  /** Peers to which the backend cannot send by their records, also where one family or what was known before does. */
  readonly unreachable: readonly Unreachable[];
}

export interface ReachRules {
  readonly backend: Pick<Backend, "recordFault">;
  /** Of the backend, as far as the asker knows this host. */
  readonly faultOf: (peer: Lease) => string | null;
  /** All records, whole. */
  readonly leases: ReadonlyMap<SubnetKey, Lease>;
  /** The peers of before; none for who has not watched. */
  readonly known: readonly Lease[];
}

export function reachablePeers(admitted: readonly Lease[], rules: ReachRules): ReachablePeers {
  const faults = new Map<SubnetKey, Unreachable>();
  for (const peer of admitted) {
    const reason = rules.faultOf(peer);
    if (reason !== null) faults.set(peer.key, { key: peer.key, peer: hostIp(peer.attrs), reason });
  }
  const peers = faults.size === 0 ? admitted : withKnown(admitted, faults, rules);
  return { peers, unreachable: withoutAwaited([...faults.values()], rules, peers) };
}

/** A reservation that no host has taken yet names none that could be reached. */
function withoutAwaited(
  faults: readonly Unreachable[],
  { leases, backend }: ReachRules,
  peers: readonly Lease[],
): readonly Unreachable[] {
  return faults.filter(({ key }) => {
    const lease = leases.get(key);
    const isAwaited = lease !== undefined && isForLater(lease) && backend.recordFault(lease) !== null;
    return !isAwaited || peers.some((peer) => peer.key === key);
  });
}

/**
 * A record that lost what the backend needs says nothing about its host, which is reached as before. Of one that had
 * never more, the family that can be reached.
 */
function withKnown(
  peers: readonly Lease[],
  faults: ReadonlyMap<SubnetKey, unknown>,
  { known, faultOf }: ReachRules,
): readonly Lease[] {
  const canReach = (peer: Lease) => faultOf(peer) === null;
  const former = new Map(known.filter(({ key }) => faults.has(key)).map((lease) => [lease.key, lease]));
  return peers.flatMap((peer) => {
    if (!faults.has(peer.key)) return peer;
    const before = former.get(peer.key);
    if (before && ownershipOf(peer.attrs, before.attrs) === "ours" && canReach(before)) return before;
    return halvesOf(peer).find(canReach) ?? [];
  });
}

function halvesOf(peer: Lease): readonly Lease[] {
  return hasIpv4(peer.subnet) && peer.subnet.v6 !== null ? [withoutIpv6(peer), withoutIpv4(peer)] : [];
}
