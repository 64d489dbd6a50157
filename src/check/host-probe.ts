// The port to what only this host itself can tell. Everything that needs a right that the user lacks, or a tool that is not
// there, is told as unknown.

import type { Family } from "../base/ip.ts";
import type { Prefix6 } from "../base/ipv6.ts";
import type { LinkName } from "../net/objects.ts";
import type { NodeId } from "../subnet/lease.ts";
import type { DaemonProcess, Facts, Known, RouteFact, RuleFacts, UserFacts } from "./facts.ts";
import type { ForwardedPacket, ForwardedWay } from "./forwarded-ways.ts";

/** What a running daemon looks at by itself. */
export type HostSight = Pick<HostProbe, "sysctls" | "reversePathDrops" | "routes" | "rules">;

export interface HostProbe extends Disposable {
  user(): Promise<UserFacts>;
  /** Those in this network namespace, this process not counted. */
  daemons(): Promise<Known<readonly DaemonProcess[]>>;
  /** Names of devices that one of these has, by its locks. */
  carriedDevices(): Promise<readonly string[]>;
  vxlan(): Known<boolean>;
  /** Why there are no TUN devices; null when there are. */
  tun(): Promise<Known<string | null>>;
  /** By name; without those that there are not. */
  sysctls(names: readonly string[]): Promise<Readonly<Record<string, string>>>;
  reversePathDrops(): Promise<number | null>;
  /** IPv4, of the main table; those that `keeps` accepts, or all. */
  routes(keeps?: (route: RouteFact) => boolean): Promise<readonly RouteFact[]>;
  /** IPv6, of all tables, without those that lead to this host itself or nowhere. */
  routes6(): Promise<readonly RouteFact<Prefix6>[]>;
  /** Where the kernel would send what comes in so. */
  forwardedWay(packet: ForwardedPacket, signal: AbortSignal): Promise<Known<ForwardedWay>>;
  portHolder(port: number): string | null;
  /** Of iptables for these families alone. */
  rules(families: readonly Family[], signal: AbortSignal): Promise<Known<RuleFacts>>;
  /** By the names of ethtool -k. */
  offload(dev: LinkName, signal: AbortSignal): Promise<Known<Readonly<Record<string, boolean>>>>;
  /** Where to read what a process with this root has at `path`: there below it, unless it is the same here. */
  placeOf(path: string, root: string): Promise<string>;
  subnetFile(path: string): Promise<Omit<Facts["subnetFile"], "path">>;
  /**
   * Of the installation whose root directory this is; null when flanneld has never run there, or this user may not read its
   * directory.
   */
  nodeId(stateDirectory: string, root: string): Promise<NodeId | null>;
}
