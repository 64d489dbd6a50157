// What the parts of the daemon work with: the doors to the world, and what was opened through them.

import type { Millis } from "./base/brand.ts";
import { minutes } from "./base/brand.ts";
import type { KernelNet } from "./net/kernel-net.ts";
import type { Ports } from "./ports.ts";
import type { StateDirectory } from "./state-directory.ts";
import type { StatusBoard } from "./status-board.ts";
import type { LeaseStore } from "./subnet/lease-store.ts";

export interface Means extends Ports {
  readonly store: LeaseStore;
  readonly kernel: KernelNet;
  readonly board: StatusBoard;
  readonly state: StateDirectory;
}

/** Compat: the Go daemon's lease time. Its readers expect it. */
export const LEASE_TTL: Millis = minutes(24 * 60);
