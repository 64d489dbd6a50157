// What a backend wants the kernel to look like, as a value: no functions of the world, no order of execution.

import type { Family } from "../base/ip.ts";
import type { LinkName, NetKind, NetObject } from "./objects.ts";

/** How much of the kernel's state a plan speaks about, so that nobody reads the whole table of a BGP router. */
export interface NetScope {
  /** Of addresses, routes, blackholes and neighbours; what is of another family is not read. */
  readonly families: readonly Family[];
  /** Addresses, neighbours and FDB entries are read on these devices; a device need not exist. */
  readonly devices: readonly LinkName[];
  /** Routes are read on `devices`, and those of our own or the boot protocol on these. */
  readonly routeDevices: readonly LinkName[];
  readonly kinds: readonly NetKind[];
}

export interface Plan {
  readonly scope: NetScope;
  /** Invariant: I1, every wanted object is claimed. */
  readonly want: readonly NetObject[];
  /** Everything we are answerable for: what is claimed and not wanted is deleted. */
  readonly claims: (object: NetObject) => boolean;
  /** Invariant: I2, false means add and repair, delete nothing. */
  readonly complete: boolean;
}
