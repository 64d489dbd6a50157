// The port to the kernel's network state. Implemented on rtnetlink by src/netlink and in memory by the test fake;
// one contract suite runs on both.

import type { FlannelError } from "../base/errors.ts";
import type { Family, Ip, Ipv4, Prefix, Prefix4 } from "../base/ip.ts";
import type { Ipv6, Prefix6 } from "../base/ipv6.ts";
import type { NetOp } from "./diff.ts";
import type { Link, LinkName, NetObject } from "./objects.ts";
import type { NetScope } from "./plan.ts";

/** One reading of the kernel's state. */
export interface NetSnapshot {
  /**
   * Equal digests of the same scope mean equal objects (SHA-256 over the dump without its volatile fields), so a sweep
   * that finds the digest it verified last time need not decode 15,000 objects again.
   */
  readonly digest: string;
  /** Decodes the reading; every call returns equal objects. */
  objects(): readonly NetObject[];
}

/** An operation that the kernel refused; the others of the batch were still tried. */
export interface OpFailure {
  readonly op: NetOp;
  readonly error: FlannelError<"netlink.errno">;
}

/** Says that something may have changed. Carries no state on purpose: a lost or doubled hint is harmless. */
export interface NetHint {
  readonly reason: "link" | "address" | "route" | "neighbour" | "overflow";
  /** The device it is about, or null when unknown: then it is about every device. */
  readonly dev: LinkName | null;
  /** Where a route leads that has pushed another one out, which may have led through any device. */
  readonly over?: Prefix;
}

export interface KernelNet {
  read(scope: NetScope, signal: AbortSignal): Promise<NetSnapshot>;
  /**
   * Applies in order, in batches, and goes on after a failure. Idempotent: creating what is equal and deleting what is
   * gone both succeed.
   */
  apply(ops: readonly NetOp[], signal: AbortSignal): Promise<readonly OpFailure[]>;
  /** Changes made by others; our own are left out where the kernel says who made them. Ends on abort. */
  hints(signal: AbortSignal): AsyncIterable<NetHint>;
  /** Facts for choosing the underlay interface in a network of these families. */
  underlayFacts(families: readonly Family[], signal: AbortSignal): Promise<UnderlayFacts>;
  /** Which interface and source address a packet to `destination` would take; null when there is no route. */
  lookup(
    destination: Ip,
    signal: AbortSignal,
  ): Promise<{ readonly dev: LinkName; readonly source: Ip | null; readonly via: Ip | null } | null>;
  /** How full the IPv4 neighbour table is; null when the kernel does not tell. */
  neighbourTable(signal: AbortSignal): Promise<NeighbourTable | null>;
  /** Every link of the namespace. */
  links(signal: AbortSignal): Promise<readonly Link[]>;
}

/** Of all interfaces and namespaces. */
export interface NeighbourTable {
  readonly entries: number;
  /** gc_thresh3: a further entry that is not permanent is refused. */
  readonly limit: number;
}

/** An IPv4 address of an interface with what decides whether it is usable. */
export interface InterfaceAddress {
  readonly ip: Ipv4;
  readonly prefix: Prefix4;
  /** Kernel: IFA_F_PERMANENT is missing on addresses with a lifetime (DHCP). */
  readonly permanent: boolean;
  /** IFA_F_SECONDARY. */
  readonly secondary: boolean;
  readonly deprecated: boolean;
}

/** An IPv6 address of an interface, likewise. */
export interface InterfaceAddress6 {
  readonly ip: Ipv6;
  readonly prefix: Prefix6;
  /** Kernel: IFA_F_PERMANENT is missing on addresses with a lifetime (router advertisements, DHCPv6). */
  readonly permanent: boolean;
  /** IFA_F_TEMPORARY: of the privacy extensions, and soon another. */
  readonly temporary: boolean;
  readonly deprecated: boolean;
  /** IFA_F_TENTATIVE and IFA_F_DADFAILED: the kernel does not know yet whether another host has it, or knows that one has. */
  readonly tentative: boolean;
}

export interface InterfaceFacts {
  readonly name: LinkName;
  readonly index: number;
  readonly mtu: number;
  readonly up: boolean;
  readonly loopback: boolean;
  /** In the kernel's order. */
  readonly addresses: readonly InterfaceAddress[];
  /** The oldest first; none when IPv6 was not asked for. */
  readonly addresses6: readonly InterfaceAddress6[];
  /**
   * IPv6 networks that it reaches without a gateway, by routes of the kernel or of a router: an address that DHCPv6 has
   * given is alone in its prefix. None when IPv6 was not asked for.
   */
  readonly networks6: readonly Prefix6[];
}

export interface UnderlayFacts {
  /** In index order. */
  readonly interfaces: readonly InterfaceFacts[];
  /** Devices of the main table's IPv4 default routes, lowest metric first; a multipath route gives each of its devices. */
  readonly defaultRoutes: readonly { readonly dev: LinkName; readonly metric: number }[];
  /** The IPv6 ones, likewise; none unless IPv6 alone was asked for. */
  readonly defaultRoutes6: readonly { readonly dev: LinkName; readonly metric: number }[];
}
