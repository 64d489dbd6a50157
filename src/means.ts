// What the parts of the daemon work with: the doors to the world, and what was opened through them.

import type { Pinger } from "./icmp/pinger.ts";
import type { KernelNet } from "./net/kernel-net.ts";
import type { Ports } from "./ports.ts";
import type { StateDirectory } from "./state-directory.ts";
import type { Collector } from "./status/collect.ts";
import type { StatusBoard } from "./status-board.ts";
import type { OpenLeaseStore } from "./subnet/lease-store.ts";

export interface Means extends Ports {
  readonly store: OpenLeaseStore;
  readonly kernel: KernelNet;
  readonly board: StatusBoard;
  /** Null when peers are not probed. */
  readonly pinger: Pinger | null;
  readonly state: StateDirectory;
  readonly status: Collector;
}
