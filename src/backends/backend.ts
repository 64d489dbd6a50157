// What a backend is: pure functions from the network's leases to the kernel state that carries its packets.

import type { Random } from "../base/random.ts";
import type { Link } from "../net/objects.ts";
import type { Plan } from "../net/plan.ts";
import type { Underlay } from "../net/underlay.ts";
import type { Lease, LeaseAttrs } from "../subnet/lease.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";

export interface NetworkView {
  readonly network: NetworkConfig;
  readonly underlay: Underlay;
  readonly self: Lease;
  /** Admitted peers, self excluded. */
  readonly peers: readonly Lease[];
  /** Invariant: I2, true once `peers` came from a finished list. */
  readonly complete: boolean;
}

export interface Backend {
  readonly type: string;
  /** MTU of the overlay: what subnet.env says. */
  mtu(underlay: Underlay): number;
  /** Why this host cannot carry the backend, as a sentence, or null. Looks only; nothing has been changed yet. */
  unsuitable(links: readonly Link[]): string | null;
  /** What peers must know to reach us. The existing device and own record are given so that a restart keeps its MAC. */
  advertise(input: {
    readonly underlay: Underlay;
    readonly links: readonly Link[];
    readonly own: Lease | null;
    readonly random: Random;
  }): LeaseAttrs;
  /** Why packets cannot be sent to this peer, whatever the kernel does; null when they can. Such a peer is left out. */
  peerFault(peer: Lease, self: Lease): string | null;
  /** Invariant: every wanted object is claimed, and no two have one key. */
  plan(view: NetworkView): Plan;
}
