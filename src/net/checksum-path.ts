// A tunnel on which it is to be measured whether checksums survive that are left to the network card.

import type { Ipv4 } from "../base/ip.ts";
import type { Mac } from "../base/mac.ts";
import type { LinkName, Neighbour } from "./objects.ts";
import type { Underlay } from "./underlay.ts";

/** `off`: the config has the device leave none to the card, so there is nothing to measure. */
export type ChecksumDuty = ChecksumPath | "off";

export interface ChecksumPath {
  readonly device: LinkName;
  /** Of this host on the device. */
  readonly mac: Mac;
  readonly address: Ipv4;
  /** The tunnel's port. By TCP nobody listens there, and whoever sees our packets knows what they belong to. */
  readonly port: number;
  readonly underlay: Underlay;
  /** Those that are reached through the tunnel. */
  readonly peers: readonly ChecksumPeer[];
}

/** Of a planned entry of the neighbour table, which is the same object: there are thousands. */
export type ChecksumPeer = Pick<Neighbour, "mac" | "ip">;
