// Which records `ping` and `check` take for peers: those that a daemon would, and for the rest the reason. Pure.

import { createBackend } from "../backends/registry.ts";
import { admitPeers } from "../subnet/admission.ts";
import { isForLater, type Lease } from "../subnet/lease.ts";
import type { BadRecord, LeaseList } from "../subnet/lease-store.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";

export interface AdmittedPeers {
  readonly peers: readonly Lease[];
  /** Also those that are no leases. */
  readonly leftOut: readonly BadRecord[];
}

/**
 * `self` is this host's own record; null when it has none. Without a config that daemons accept nobody knows what they
 * would leave out. A reservation whose host has not come yet is neither a peer nor left out.
 */
export function admitAsDaemon(list: LeaseList, self: Lease | null, network: NetworkConfig | null): AdmittedPeers {
  if (network === null) return { peers: list.leases.filter(({ key }) => key !== self?.key), leftOut: list.bad };
  const backend = createBackend(network.backend);
  const leases = new Map(list.leases.map((lease) => [lease.key, lease]));
  const admitted = admitPeers({ leases }, { network, self, backendType: network.backend.type });
  const peers: Lease[] = [];
  const faulty: BadRecord[] = [];
  for (const peer of admitted.peers) {
    const reason = backend.recordFault(peer);
    if (reason === null) peers.push(peer);
    else if (!isForLater(peer)) faulty.push({ key: peer.key, reason });
  }
  return { peers, leftOut: [...admitted.leftOut, ...faulty, ...list.bad] };
}
