// The port to a data path in this process: threads that carry packets between a TUN device and a UDP socket. Implemented
// in C by src/native, asked for by a backend, opened and looked after by the daemon.

import type { Ip, Ipv4, Prefix } from "./ip.ts";
import type { Ipv6 } from "./ipv6.ts";

/** Means of going through the kernel less often. Each is used if the kernel has it and the config does not forbid it. */
export const DATAPATH_FEATURES = [
  "VnetHeader",
  "TSO",
  "USO",
  "UDPSegment",
  "UDPGRO",
  "CoalesceTCP",
  "CoalesceUDP",
  "VectorChecksum",
] as const;
export type DatapathFeature = (typeof DATAPATH_FEATURES)[number];

export interface DatapathOptions {
  /** Of the socket: it says which IP version carries the datagrams. */
  readonly address: Ip;
  readonly port: number;
  /** Of the socket in each direction, in bytes; 0 for what the system has set. */
  readonly bufferSize: number;
  readonly features: ReadonlySet<DatapathFeature>;
}

export interface DatapathTunnel {
  /** Of a persistent TUN device. */
  readonly device: string;
  /** Its addresses; null when packets of that version are not carried. */
  readonly ipv4: Ipv4 | null;
  readonly ipv6: Ipv6 | null;
  readonly mtu: number;
  /** Drop what does not come from the peer that has its inner source. */
  readonly checkSource: boolean;
}

/** Where packets for a subnet go: to an address of the socket's IP version, whichever is the subnet's. */
export interface ForwardRoute {
  readonly subnet: Prefix;
  readonly address: Ip;
  readonly port: number;
}

/** Since the opening. */
export interface DatapathCounters {
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly sentMessages: number;
  readonly sentCalls: number;
  readonly receivedPackets: number;
  readonly receivedBytes: number;
  readonly receivedMessages: number;
  readonly receivedCalls: number;
  readonly tunReads: number;
  readonly tunWrites: number;
  /** Packets made of large ones from the TUN device, and packets that went into large ones to it. */
  readonly segmentedPackets: number;
  readonly coalescedPackets: number;
  readonly droppedNoRoute: number;
  readonly droppedTtlExceeded: number;
  readonly droppedSendFailed: number;
  /** Of an IP version that is not carried. */
  readonly droppedOtherVersion: number;
  /** IPv6 from or to link-local and multicast addresses, which stay on their link. */
  readonly droppedLinkLocal: number;
  readonly droppedMalformed: number;
  readonly droppedOversized: number;
  /** From an address that no peer has. */
  readonly droppedNoPeer: number;
  /** From a peer, with an inner source outside of its subnet. */
  readonly droppedWrongSource: number;
  readonly droppedWriteFailed: number;
  readonly icmpSent: number;
  readonly icmpLimited: number;
  /** Times that a large packet had to be given up for small ones. */
  readonly fallbacks: number;
}

export interface DatapathListener {
  /** Packets are no longer carried: the device was deleted, or the socket is broken. Attach again. */
  onEnded(errno: string): void;
  /** The kernel rejected a feature while it was in use; it is off from now on. */
  onFeatureLost(feature: DatapathFeature, errno: string): void;
}

export interface Datapath extends Disposable {
  /** Throws an error whose code is ENODEV when there is no such device, EBUSY when another process has it. */
  attach(tunnel: DatapathTunnel): void;
  /** Lets go of the device, which stays. May be called when none is attached. */
  detach(): void;
  /** Replaces the whole table at once. */
  setRoutes(routes: readonly ForwardRoute[]): void;
  counters(): DatapathCounters;
  /** What is on at the moment. */
  features(): ReadonlySet<DatapathFeature>;
  /** The name that the attached device has now, which somebody may have changed; null when none is attached. */
  device(): string | null;
  /** Of the socket, in bytes, as the kernel has granted it. */
  bufferSize(): number;
}

/**
 * Binds the socket. Throws an error whose code is EADDRINUSE when the port is taken (its `holder` says by whom, if that is
 * known), ENOENT without /dev/net/tun.
 */
export type OpenDatapath = (options: DatapathOptions, listener: DatapathListener) => Datapath;
