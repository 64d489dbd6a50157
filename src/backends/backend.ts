// What a backend is: pure functions from the network's leases to the kernel state that carries its packets.

import type { Family } from "../base/ip.ts";
import type { Random } from "../base/random.ts";
import type { ChecksumDuty } from "../net/checksum-path.ts";
import type { Link, LinkName } from "../net/objects.ts";
import type { Plan } from "../net/plan.ts";
import type { Underlay } from "../net/underlay.ts";
import type { Announcement, Lease } from "../subnet/lease.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";
import type { Userspace } from "./userspace.ts";

/** A host before anything is changed on it. */
export interface HostView {
  readonly underlay: Underlay;
  readonly links: readonly Link[];
  /** What devices of this network are marked with, where a device can be marked. */
  readonly mark: string;
}

/** As the backend makes it. */
export interface BackendDevice {
  readonly name: LinkName;
  /** Of the packets within. */
  readonly families: readonly Family[];
  readonly mtu: number;
  /** False of a link that has the name and is something else: another network's, or another program's. */
  readonly isIt: (link: Link) => boolean;
}

export interface NetworkView {
  readonly network: NetworkConfig;
  readonly underlay: Underlay;
  readonly mark: string;
  /** Ours, as chosen at the start; null when the backend makes none. */
  readonly device: LinkName | null;
  /** Devices that any backend may have made and no other daemon had, as of the start: routes may be left on them. */
  readonly flannelDevices: readonly LinkName[];
  /** Interfaces that were the underlay before this one, since the start: routes may be left on them. */
  readonly formerUnderlays: readonly LinkName[];
  readonly self: Lease;
  /** Admitted peers, self excluded. */
  readonly peers: readonly Lease[];
  /** Invariant: I2, true once `peers` came from a finished list. */
  readonly complete: boolean;
  /**
   * Whether a device that is measured (`checksumDuty`) may leave checksums to the network card: false where they arrive
   * wrong, true where only a config of before has switched that off, null to leave it as it is.
   */
  readonly measuredOffload: boolean | null;
}

export interface Backend {
  readonly type: string;
  /** Members of the Backend object that a running daemon can follow: no device is made anew for them. */
  readonly liveOptions: readonly string[];
  /** MTU of the overlay: what subnet.env says. */
  mtu(underlay: Underlay): number;
  /** The device that the backend makes on this host; null when it makes none. */
  device(host: HostView): LinkName | null;
  /** All that it makes, `device` first: the one chosen for this host. One for each family where there are two. */
  devices(underlay: Underlay, device: LinkName | null): readonly BackendDevice[];
  /** Null when the kernel carries the packets by itself. */
  readonly userspace: Userspace | null;
  /** Why this host cannot carry the backend, as a sentence, or null. Looks only; nothing has been changed yet. */
  unsuitable(host: HostView): string | null;
  /** What peers must know to reach us. The existing device and own record are given so that a restart keeps its MAC. */
  advertise(input: HostView & { readonly own: Lease | null; readonly random: Random }): Announcement;
  /** What the record of a host of this backend lacks, whoever looks at it, as a clause; null when it has all. */
  recordFault(lease: Lease): string | null;
  /**
   * Why packets cannot be sent to this peer, whatever the kernel does, and what to do about it; null when they can.
   * Nothing is planned for such a peer. `self` is null on a host that has no record.
   */
  peerFault(peer: Lease, view: { readonly self: Lease | null; readonly underlay: Underlay }): string | null;
  /** Where to measure whether the plan should leave checksums to the network card; null when it does not ask. */
  checksumDuty(view: NetworkView): ChecksumDuty | null;
  /** Invariant: every wanted object is claimed, and no two have one key. */
  plan(view: NetworkView): Plan;
}
