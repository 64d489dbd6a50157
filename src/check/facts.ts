// What `flanneld check` goes by: facts about this host, its etcd and its peers, as they were found. Plain data; who
// gathers it is in src/facts, what it means in the files beside this one.

import type { Backend } from "../backends/backend.ts";
import type { EpochMillis, Millis } from "../base/brand.ts";
import { isError } from "../base/errors.ts";
import type { Family, Ip, Prefix, Prefix4 } from "../base/ip.ts";
import type { Prefix6 } from "../base/ipv6.ts";
import type { EtcdPlace } from "../base/paste.ts";
import type { PeerWay } from "../icmp/peer-report.ts";
import type { InterfaceFacts, NeighbourTable } from "../net/kernel-net.ts";
import type { Link, LinkName } from "../net/objects.ts";
import { interfaceAddresses, type Underlay } from "../net/underlay.ts";
import type { Lease, LeaseTerm, NodeId } from "../subnet/lease.ts";
import type { BadRecord, CertificateExpiry, LeaseList } from "../subnet/lease-store.ts";
import type { Ipv4Network, Ipv6Network } from "../subnet/network-config.ts";
import type { ForwardedAnswer } from "./forwarded-ways.ts";

/** What could be found out, or why not, as a sentence without a full stop. */
export type Known<T> = { readonly known: true; readonly value: T } | { readonly known: false; readonly reason: string };

export interface UserFacts {
  readonly isRoot: boolean;
  readonly netAdmin: boolean;
  readonly netRaw: boolean;
}

/** A flanneld in this network namespace. */
export interface DaemonProcess {
  /**
   * Null of one whose process cannot be seen from here, as in another PID namespace: that it runs follows from its
   * network's lock, and nothing else is known of it. It is the only one of its network.
   */
  readonly pid: number | null;
  /** Of its network; null when it cannot be told. */
  readonly prefix: string | null;
  /** Flags that its command line or environment gives, by name, as far as they may be seen. */
  readonly settings: Readonly<Record<string, DaemonSetting>>;
  /**
   * Where its files are seen from here, as of one in a container: "/proc/4711/root". Empty when its mount namespace and root
   * directory are those of this process.
   */
  readonly root: string;
}

export interface DaemonSetting {
  readonly values: readonly string[];
  /** "--iface" or "FLANNELD_IFACE". */
  readonly written: string;
}

/** A backend that this host has to be fit for. */
export interface WantedBackend {
  readonly backend: Backend;
  /** UDP port that it receives on; null when it has none. */
  readonly port: number | null;
}

export interface RouteFact<P extends Prefix = Prefix4> {
  readonly dst: P;
  readonly dev: LinkName;
}

export interface PortFact {
  readonly port: number;
  /** Who has it, for people; null when it is free or cannot be told. */
  readonly holder: string | null;
}

/** What firewall tools print. */
export interface RuleFacts {
  /** Of iptables-save and ip6tables-save, by the name of the tool; what is the same is there once. */
  readonly iptables: Readonly<Record<string, string>>;
  /** Of nft -j list ruleset; null without nft. */
  readonly nftables: string | null;
}

export interface StoreFacts {
  readonly endpoints: readonly string[];
  readonly configKey: string;
  readonly config: string | null;
  readonly list: LeaseList;
  /** Why it would take no lease now; null when it would. */
  readonly refusal: string | null;
}

export interface PeerFacts {
  readonly lease: Lease;
  /** How the kernel sends to its public IP; null when there is no route. */
  readonly way: { readonly dev: LinkName; readonly source: Ip | null } | null;
  /** Empty when no pings could be sent. */
  readonly ways: readonly PeerWay[];
  /** What its record has left; asked for only when it does not answer. */
  readonly term: LeaseTerm | null;
}

export interface Facts {
  readonly now: EpochMillis;
  readonly prefix: string;
  readonly user: UserFacts;
  readonly daemons: Known<readonly DaemonProcess[]>;
  /** Devices that a running flanneld has, of whatever network. */
  readonly carried: readonly string[];
  /** How the last daemon with this subnet file has ended, if that was with an error and none was started since. */
  readonly lastEnd: { readonly at: EpochMillis; readonly message: string } | null;
  /** The last daemon with this subnet file was killed: nobody listens on the control socket that it has left. */
  readonly wasKilled: boolean;
  /** What was taken over from the daemon of this network, as it is written there. */
  readonly adopted: readonly string[];
  /** Where etcd is looked for. */
  readonly etcd: EtcdPlace;
  /** Flags with which commands that are told ask the same etcd for the same network. */
  readonly asking: readonly string[];
  readonly store: Known<StoreFacts>;
  readonly certificates: Known<readonly CertificateExpiry[]>;
  /** How far this host's clock is ahead of etcd's, by endpoint. */
  readonly clocks: readonly { readonly endpoint: string; readonly ahead: Millis }[];
  /** Of the network; IPv4 as long as that is not known. */
  readonly families: readonly Family[];
  /** What the network config makes of it. */
  readonly network: Known<Ipv4Network>;
  /** Its IPv6 part; null when it has none, or is not known. */
  readonly network6: Ipv6Network | null;
  /** Those of the config, or all that there are as long as that is not known. */
  readonly backends: readonly WantedBackend[];
  readonly isBackendKnown: boolean;
  readonly vxlan: Known<boolean>;
  /** Why TUN devices cannot be had; null when they can. */
  readonly tun: Known<string | null>;
  /** By its name in sysctl(8); missing when the kernel has none. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Packets that were dropped because they came in by another interface than the answer would take; null when unknown. */
  readonly reversePathDrops: number | null;
  readonly underlay: Known<Underlay>;
  readonly interfaces: Known<readonly InterfaceFacts[]>;
  readonly links: Known<readonly Link[]>;
  readonly routes: readonly RouteFact[];
  readonly routes6: readonly RouteFact<Prefix6>[];
  /** Where this host sends what it forwards. */
  readonly forwarded: readonly ForwardedAnswer[];
  readonly ports: readonly PortFact[];
  readonly rules: Known<RuleFacts>;
  readonly subnetFile: {
    readonly path: string;
    readonly subnet: Prefix4 | null;
    readonly subnet6: Prefix6 | null;
    readonly mtu: number | null;
    /** It was written since this host was switched on. */
    readonly isOfThisBoot: boolean;
  };
  readonly nodeId: NodeId | null;
  readonly neighbours: Known<NeighbourTable>;
  /** Features of the underlay's device, by the names of ethtool -k. */
  readonly offload: Known<Readonly<Record<string, boolean>>>;
  /** A sample where there are many. */
  readonly peers: readonly PeerFacts[];
  /** Records that a daemon here makes nothing of, and why, as a clause. */
  readonly leftOut: readonly BadRecord[];
  /** Why peers were not pinged; null when they were. */
  readonly unpinged: string | null;
}

/** What a running daemon looks at by itself: no etcd, no rights of its own, no packet. */
export type HostFacts = Pick<
  Facts,
  | "prefix"
  | "families"
  | "network"
  | "network6"
  | "backends"
  | "isBackendKnown"
  | "sysctls"
  | "reversePathDrops"
  | "underlay"
  | "interfaces"
  | "links"
  | "routes"
  | "rules"
> & {
  readonly peers: readonly Pick<PeerFacts, "lease" | "way">[];
};

export const NO_IPV4_NETWORK = "the network has no IPv4";

export function known<T>(value: T): Known<T> {
  return { known: true, value };
}

export function unknown(reason: string): { readonly known: false; readonly reason: string } {
  return { known: false, reason };
}

/** The kernel may refuse one question, as while a table changes faster than it can be read, and answer the others. */
export async function orUnknown<T>(ask: () => Promise<T>): Promise<Known<T>> {
  try {
    return known(await ask());
  } catch (error) {
    if (!isError(error, "netlink.errno")) throw error;
    return unknown(error.message);
  }
}

/** Of all interfaces, in both families; none where they are not known. */
export function addressesOf(interfaces: Facts["interfaces"]): readonly Ip[] {
  return interfaceAddresses(interfaces.known ? interfaces.value : []);
}
