// Which records `ping` and `check` take for peers: those that a daemon would that starts here now, and for the rest the
// reason. Pure.

import { reachablePeers } from "../backends/reachable-peers.ts";
import { createBackend } from "../backends/registry.ts";
import { onLinkOf, type Underlay } from "../net/underlay.ts";
import { admitPeers } from "../subnet/admission.ts";
import type { Lease } from "../subnet/lease.ts";
import type { BadRecord, LeaseList } from "../subnet/lease-store.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";

export interface AdmittedPeers {
  /** In the families in which a daemon would send to them. */
  readonly peers: readonly Lease[];
  /** Also those that are no leases. A host that is left out in one family may be a peer in the other. */
  readonly leftOut: readonly BadRecord[];
}

export interface AdmittingHost {
  /** Its own record; null when it has none. */
  readonly self: Lease | null;
  /** Null where it is not known: then records are judged by what they say alone. */
  readonly underlay: Underlay | null;
}

/**
 * Without a config that daemons accept nobody knows what they would leave out. A reservation whose host has not come yet
 * is neither a peer nor left out. A daemon that has run for longer may know of a peer what its record no longer says.
 */
export function admitAsDaemon(
  list: LeaseList,
  { self, underlay }: AdmittingHost,
  network: NetworkConfig | null,
): AdmittedPeers {
  if (network === null) return { peers: list.leases.filter(({ key }) => key !== self?.key), leftOut: list.bad };
  const backend = createBackend(network.backend);
  const leases = new Map(list.leases.map((lease) => [lease.key, lease]));
  const onLink = underlay === null ? [] : onLinkOf(underlay);
  const admitted = admitPeers({ leases }, { network, self, backendType: network.backend.type, onLink });
  const faultOf = (peer: Lease) =>
    underlay === null ? backend.recordFault(peer) : backend.peerFault(peer, { self, underlay });
  const { peers, unreachable } = reachablePeers(admitted.peers, { backend, faultOf, leases, known: [] });
  const faulty = unreachable.map(({ key, reason }) => ({ key, reason }));
  return { peers, leftOut: [...admitted.leftOut, ...faulty, ...list.bad] };
}
