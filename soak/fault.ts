// What a fault is.

import { BACKEND_TYPES } from "../src/backends/registry.ts";
import type { Millis } from "../src/base/brand.ts";
import type { SoakHost, World } from "./world.ts";

/** In the order of --list: etcd itself, what flanneld keeps in it, flanneld, its files, and what surrounds it on a host. */
export const FAULT_KINDS = ["etcd", "records", "flanneld", "files", "kernel", "underlay", "firewall"] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** How the hosts keep flanneld's firewall rules. */
export const FIREWALLS = ["iptables", "nftables"] as const;
export type FirewallMode = (typeof FIREWALLS)[number];

/** What the hosts of a story run with. */
export interface Setting {
  readonly backend: string;
  /** Of etcd. */
  readonly members: number;
  readonly firewall: FirewallMode;
}

export interface Fault {
  /** "etcd-killed", for --only and the report. */
  readonly name: string;
  readonly kind: FaultKind;
  /** For --list: what is done, and how it is undone. */
  readonly summary: string;
  /** The shortest and the longest time that it lasts before it is undone. */
  readonly lasts: readonly [Millis, Millis];
  /**
   * What it may cost, and only the host that it hits: null for not one packet; else those that are sent from its
   * beginning until this long after it was undone.
   */
  readonly mayLose: (backend: string) => Millis | null;
  /**
   * flanneld mends it while it lasts: it may cost those that are sent until `mayLose` after its beginning, and again until
   * `mayLose` after it was undone, and none in between.
   */
  readonly mendedMeanwhile?: true;
  /** After it was undone, everything is as it was within this time. */
  readonly recovery: Millis;
  /** Of etcd, that it needs; one if not said. */
  readonly fewestMembers?: number;
  /** With which it can happen; any if not said. */
  readonly backends?: readonly string[];
  readonly firewall?: FirewallMode;
  /** Does it, and returns how to undo it. */
  inject(world: World, victim: SoakHost, signal: AbortSignal): Promise<Undo>;
}

export type Undo = (signal: AbortSignal) => Promise<void>;

/** For what undoes itself, or what flanneld has to mend. */
export const nothing: Undo = async () => {};

/** Whether it can happen there. */
export function suits({ fewestMembers = 1, backends, firewall }: Fault, setting: Setting): boolean {
  return (
    fewestMembers <= setting.members &&
    (backends?.includes(setting.backend) ?? true) &&
    (firewall ?? setting.firewall) === setting.firewall
  );
}

/** What it needs, for whoever has not got it: "vxlan; --members 3". Empty for one that can always happen. */
export function describeNeeds({ fewestMembers, backends, firewall }: Fault): string {
  return [
    ...(backends && backends.length < BACKEND_TYPES.length ? [backends.join(" or ")] : []),
    ...(firewall ? [`--firewall ${firewall}`] : []),
    ...(fewestMembers ? [`--members ${fewestMembers}`] : []),
  ].join("; ");
}
