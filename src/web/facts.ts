// What the model is made of: what was seen in etcd, and what each host has answered. Plain data.

import type { EpochMillis } from "../base/brand.ts";
import type { StatusEvent } from "../status/events.ts";
import type { PublicStatus } from "../status/report.ts";
import type { Lease, LeaseTerm, Subnet } from "../subnet/lease.ts";
import type { BadRecord } from "../subnet/lease-store.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";

/** Config and leases as of one look. */
export interface StoreLook {
  readonly at: EpochMillis;
  readonly network: (Pick<NetworkConfig, "ipv4" | "ipv6"> & { readonly backend: string }) | null;
  /** Why there is no network. */
  readonly configProblem: string | null;
  /** By address. */
  readonly leases: readonly LookedLease[];
  readonly bad: readonly BadRecord[];
  /** Subnets that the bad records take. */
  readonly spoilt: readonly Subnet[];
  readonly free: number | null;
  readonly total: number | null;
}

export interface LookedLease {
  readonly lease: Lease;
  /** `leased` when nobody has asked how long. */
  readonly term: LeaseTerm;
  /** Why daemons that go by the config make no use of it, as a clause. */
  readonly problem: string | null;
}

/** What is known of a host by asking it. */
export interface HostAnswer {
  /** The newest, also when it has not answered since. */
  readonly status: PublicStatus | null;
  readonly heard: EpochMillis | null;
  /** Why it did not answer when it was last asked; null when it did. */
  readonly trouble: string | null;
  readonly rates: readonly Rate[];
  /** Oldest first. */
  readonly events: readonly StatusEvent[];
}

/** Bytes per second between two answers. */
export interface Rate {
  readonly receiving: number;
  readonly sending: number;
}

export interface Facts {
  readonly now: EpochMillis;
  readonly prefix: string;
  /** The newest that worked. */
  readonly look: StoreLook | null;
  /** Why the last one did not. */
  readonly storeTrouble: string | null;
  /** By public IP. */
  readonly answers: ReadonlyMap<string, HostAnswer>;
}
