// What a running daemon knows, at one moment, as plain data: the commands, /status of the control socket, and metrics are
// made of it. Types only. Each number has one owner among the daemon's parts, and is gathered by collect.ts.
// Moments are ISO 8601 texts in UTC; a duration has its unit in its name; counters count from the start of the process
// and never go back; null means that it is not known, or that there is none. Members are added, never renamed.

import type { Histogram } from "../base/histogram.ts";
import type { Json } from "../base/json.ts";
import type { Readiness } from "./readiness.ts";

export type Moment = string;

/** `ready`: it does its work. `degraded`: it does, and something is not as it should be. `not ready`: it does not. */
export type DaemonState = "ready" | "degraded" | "not ready";

export interface DaemonStatus extends Readiness {
  readonly schema: 1;
  readonly at: Moment;
  readonly state: DaemonState;
  readonly process: ProcessStatus;
  /** The settings in force, as they were read from flags and variables; no secrets. */
  readonly options: Json;
  readonly store: StoreStatus;
  /** Null until they are known: a start learns them in this order. */
  readonly network: NetworkStatus | null;
  readonly underlay: UnderlayStatus | null;
  readonly backend: BackendStatus | null;
  readonly lease: LeaseStatus | null;
  readonly subnets: SubnetCounts | null;
  /** By subnet. Empty until the lease is held. */
  readonly peers: readonly PeerStatus[];
  /** Records in etcd of which nothing is made, by key. */
  readonly leftOut: readonly LeftOutStatus[];
  readonly peerCounts: PeerCounts;
  readonly reconcile: ReconcileSnapshot | null;
  readonly propagation: Histogram | null;
  readonly firewall: FirewallSnapshot | null;
  /** Of a userspace backend. */
  readonly datapath: DatapathSnapshot | null;
  readonly device: DeviceStatus | null;
  /** All that the backend has made, that one first: of vxlan one for each family. */
  readonly devices: readonly DeviceStatus[];
  /** Of the whole machine, all namespaces. */
  readonly neighbourTable: { readonly entries: number; readonly limit: number } | null;
  readonly events: { readonly recorded: number; readonly kept: number };
}

export type LogLevel = "error" | "warn" | "info" | "debug";
export const LOG_LEVELS: readonly LogLevel[] = ["error", "warn", "info", "debug"];

export interface ProcessStatus {
  readonly version: string;
  /** "node 20.20.2" */
  readonly runtime: string;
  readonly pid: number;
  readonly started: Moment;
  readonly uptimeSeconds: number;
  readonly cpuSeconds: { readonly user: number; readonly system: number };
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  /** File descriptors. */
  readonly openFiles: number | null;
  /** The share of its life in which the event loop had something to do, 0 to 1. */
  readonly eventLoopUtilization: number;
  /** How late a callback was that was due at once, when this was collected. */
  readonly eventLoopLagSeconds: number;
  readonly logLevel: LogLevel;
}

export interface NetworkStatus {
  /** Of the keys in etcd. */
  readonly prefix: string;
  /** Full etcd key of the config. */
  readonly configKey: string;
  readonly ipv4: string | null;
  readonly ipv6: string | null;
  /** The config in force, as it was written. */
  readonly config: string;
}

/** Addresses of a family that the network does not have are null, here and below. */
export interface UnderlayStatus {
  readonly interface: string;
  readonly mtu: number;
  readonly address: string | null;
  readonly publicIp: string | null;
  readonly address6: string | null;
  readonly publicIpv6: string | null;
}

export interface BackendStatus {
  readonly type: string;
  /** Null when it makes none. */
  readonly device: string | null;
  /** Of the overlay: of several devices the smallest, because pods have one. */
  readonly mtu: number;
  /** All that it makes, `device` first, with the MTU of each. */
  readonly devices: readonly { readonly name: string; readonly mtu: number }[];
}

export interface LeaseStatus {
  readonly subnet: string | null;
  readonly subnet6: string | null;
  readonly key: string;
  readonly publicIp: string | null;
  readonly publicIpv6: string | null;
  readonly nodeId: string | null;
  /** False while another host has the subnet. */
  readonly held: boolean;
  readonly kind: "leased" | "reserved";
  readonly expires: Moment | null;
  /** Negative when it has ended. */
  readonly remainingSeconds: number | null;
  /** When etcd has last given or renewed it to this process; null when it was only remembered. */
  readonly renewed: Moment | null;
  readonly trouble: string | null;
  readonly counts: LeaseCounts;
}

export interface LeaseCounts {
  /** Renewals that worked, and attempts that did not. */
  readonly renewed: number;
  readonly failed: number;
  /** The record was gone, or no lease any more, and was written again. */
  readonly lost: number;
  /** Another host had the subnet. */
  readonly conflicts: number;
}

export interface StoreStatus {
  readonly endpoints: readonly string[];
  /** Null until it was asked. */
  readonly connected: boolean | null;
  readonly lastAnswer: Moment | null;
  /** The newest, also when it is over. */
  readonly lastError: { readonly at: Moment; readonly reason: string } | null;
  /** Up to which the leases are known. */
  readonly revision: string | null;
  readonly certificates: readonly CertificateStatus[];
  readonly requests: readonly StoreRequests[];
  readonly watch: WatchCounts | null;
}

export interface CertificateStatus {
  readonly whose: "client" | "authority" | "server";
  readonly name: string;
  readonly expires: Moment;
}

/** Calls of one method: "range", "txn", "leaseKeepAlive" and so on. */
export interface StoreRequests {
  readonly op: string;
  /** Of those that were answered. */
  readonly seconds: Histogram;
  /** By the code of the error: "etcd.unavailable", "etcd.denied", "etcd.full". */
  readonly errors: readonly { readonly code: string; readonly count: number }[];
}

/** Of the leases. */
export interface WatchCounts {
  /** The connection was lost; it was had again. */
  readonly losses: number;
  readonly restarts: number;
  /** Full lists that took the place of the table: the history was gone, or the census had found a gap. */
  readonly resyncs: { readonly history: number; readonly census: number };
}

/**
 * As the leases say. In a dual-stack network a subnet of each family is one, and the family with fewer of them decides. At
 * most 2^32 in all: of a larger IPv6 network daemons use no more.
 */
export interface SubnetCounts {
  readonly total: number;
  readonly allocated: number;
  readonly free: number;
}

/**
 * `programmed`: packets to it are sent. `missing`: what they need is not in the kernel, or not all of it. `held`: as
 * programmed, although its record is gone or unreadable.
 */
export type PeerState = "programmed" | "missing" | "held";

export interface PeerStatus {
  readonly subnet: string | null;
  readonly subnet6: string | null;
  readonly publicIp: string | null;
  readonly publicIpv6: string | null;
  readonly nodeId: string | null;
  readonly state: PeerState;
  /** Why it is not programmed, or why it is held. */
  readonly reason: string | null;
  /** Of the state. */
  readonly since: Moment;
  /** How long a peer whose record is gone is still kept; null while its record is unreadable, and of all others. */
  readonly keptSeconds: number | null;
  /** As the kernel counts since the peer came, whichever process began it; null where nobody counts by peer. */
  readonly traffic: Traffic | null;
  /** The newest round trip, through the overlay where there is one; null without probes, or when it does not answer. */
  readonly rttSeconds: number | null;
  /** Of each way that is probed; empty without probes. */
  readonly probes: readonly ProbeStatus[];
}

export interface ProbeStatus {
  readonly over: "underlay" | "overlay";
  readonly address: string;
  /** The newest that came back; null when none has. */
  readonly rttSeconds: number | null;
  /** Share of the last twenty that did not come back, 0 to 1. */
  readonly lossRatio: number;
  /** The largest packet that gets there, in bytes; null when it was not measured yet. */
  readonly pathMtu: number | null;
  readonly isAnswering: boolean;
}

export interface LeftOutStatus {
  readonly key: string;
  readonly publicIp: string | null;
  readonly reason: string;
  readonly since: Moment;
}

/** `refused` are the records left out. */
export type PeerCounts = Readonly<Record<PeerState | "refused", number>>;

/** Seen from this host: sent to the peers, received from them. */
export interface Traffic {
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
}

export interface DeviceStatus {
  readonly name: string;
  /** As the kernel counts since the device was made. */
  readonly traffic: Traffic;
  readonly errors: { readonly received: number; readonly sent: number };
  readonly dropped: { readonly received: number; readonly sent: number };
}

/** By kind of object: "route", "fdb", "neighbour", "link", "address", "blackhole". */
export type KindCounts = Readonly<Record<string, number>>;

export interface ReconcileSnapshot {
  readonly passes: number;
  /** Of these, readings of the kernel. */
  readonly readings: number;
  readonly last: { readonly at: Moment; readonly seconds: number } | null;
  readonly seconds: Histogram;
  /** Objects of the plan, and those of them that are in the kernel as far as is known. */
  readonly desired: KindCounts;
  readonly actual: KindCounts;
  /** Operations applied, and those of them that undid what somebody else did. */
  readonly applied: number;
  readonly repaired: number;
  readonly repairs: KindCounts;
  /** Newest last. */
  readonly lastRepairs: readonly RepairStatus[];
  readonly errors: readonly { readonly kind: string; readonly errno: string; readonly count: number }[];
  readonly trouble: string | null;
}

export interface RepairStatus {
  readonly at: Moment;
  readonly op: "create" | "replace" | "delete";
  /** "route 10.5.20.0/24 dev flannel.1" */
  readonly object: string;
}

export interface FirewallSnapshot {
  readonly mode: "iptables" | "nftables";
  /** The tools that are used: "iptables", "ip6tables", "nft". */
  readonly tools: readonly string[];
  readonly checks: number;
  readonly written: number;
  readonly repaired: number;
  readonly trouble: string | null;
}

export interface DatapathSnapshot {
  /** The device whose packets are carried; null while none are. */
  readonly attached: string | null;
  readonly features: { readonly on: readonly string[]; readonly off: readonly string[] };
  /** Of the socket, as granted. */
  readonly bufferBytes: number;
  /** Since the start, over all sockets: "sentPackets", "droppedNoRoute" and so on. */
  readonly counters: Readonly<Record<string, number>>;
}
