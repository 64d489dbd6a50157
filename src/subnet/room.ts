// How many more hosts a network has subnets for.

import type { Prefix } from "../base/ip.ts";
import { countFree } from "./acquire.ts";
import type { Subnet } from "./lease.ts";
import type { NetworkConfig } from "./network-config.ts";
import { type SubnetSpace, spacesOf } from "./subnet-space.ts";

/** In numbers of hosts: at most 2^32, as many as daemons choose from. */
export interface Room {
  readonly free: number;
  readonly total: number;
}

/** A host of a dual-stack network needs a subnet of each family: the two are one, and the family with fewer decides. */
export function countRoom(network: Pick<NetworkConfig, "ipv4" | "ipv6">, taken: readonly Subnet[]): Room {
  const { v4, v6 } = spacesOf(network);
  const rooms = [
    ...roomOf(v4, () => taken.map((subnet) => subnet.v4)),
    ...roomOf(v6, () => taken.flatMap((subnet) => subnet.v6 ?? [])),
  ];
  return {
    free: Math.min(...rooms.map(({ free }) => free)),
    total: Math.min(...rooms.map(({ total }) => total)),
  };
}

function roomOf<P extends Prefix>(space: SubnetSpace<P> | null, taken: () => readonly P[]): readonly Room[] {
  return space ? [{ free: countFree(space, taken()), total: space.count }] : [];
}
