// The doors to the world that the daemon is given: main.ts opens the real ones, tests open others.

import type { Millis } from "./base/brand.ts";
import type { Clock } from "./base/clock.ts";
import type { OpenDatapath } from "./base/datapath.ts";
import type { Logger } from "./base/log.ts";
import type { OpenPacketSocket } from "./base/packet-socket.ts";
import type { Random } from "./base/random.ts";
import type { HostSight } from "./check/host-probe.ts";
import type { EtcdOptions, HealthzOptions } from "./cli/options.ts";
import type { ControlDesk, LogLevelSwitch } from "./control/desk.ts";
import type { ControlServer } from "./control/server.ts";
import type { RuleGeneration, WatchRules } from "./firewall/hints.ts";
import type { RunTool } from "./firewall/tool.ts";
import type { HealthDeps } from "./health.ts";
import type { Pinger } from "./icmp/pinger.ts";
import type { WatchForwarding } from "./net/forwarding-hint.ts";
import type { KernelNet } from "./net/kernel-net.ts";
import type { LinkName } from "./net/objects.ts";
import type { StateDirectory } from "./state-directory.ts";
import type { EventRing } from "./status/events.ts";
import type { DeviceStatus, ProcessStatus } from "./status/snapshot.ts";
import type { OpenLeaseStore } from "./subnet/lease-store.ts";

export interface Ports {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly logLevel: LogLevelSwitch;
  /** What is the matter with the log, which it cannot say itself; null when nothing is. */
  readonly logTrouble: () => string | null;
  /** What `log` is told at info and above, and more. */
  readonly events: EventRing;
  readonly openStore: (options: EtcdOptions) => Promise<OpenLeaseStore>;
  readonly openKernel: () => KernelNet & Disposable;
  readonly openDatapath: OpenDatapath;
  readonly openPacketSocket: OpenPacketSocket;
  /** Throws `privilege.missing` and `native.unavailable`. */
  readonly openPinger: () => Promise<Pinger>;
  readonly openHealth: (options: HealthzOptions, deps: HealthDeps) => Promise<AsyncDisposable>;
  /** Throws `listen.failed`. */
  readonly openControl: (path: string, desk: ControlDesk) => Promise<ControlServer>;
  /** Gives the kernel what the allocator keeps and nobody uses. */
  readonly releaseFreeMemory: () => void;
  readonly readProcess: () => Promise<ProcessStatus>;
  /** What the kernel has counted; null when there is no such device. */
  readonly readDevice: (name: string) => Promise<DeviceStatus | null>;
  readonly hasCapability: (name: "CAP_NET_ADMIN") => Promise<boolean>;
  /** Until disposed of, no other daemon of this network runs on the host. Throws `instance.running`. */
  readonly lockInstance: (prefix: string) => Promise<Disposable>;
  /** Until disposed of, no other daemon has these devices. Throws `device.carried`. */
  readonly lockDevices: (devices: readonly string[]) => Promise<Disposable>;
  /** Those of them that the daemon of another network has now. */
  readonly carriedDevices: (devices: readonly LinkName[]) => Promise<readonly LinkName[]>;
  /** Runs iptables or nft. */
  readonly runTool: RunTool;
  readonly hasBridgeFilter: () => Promise<boolean>;
  /** By their names in sysctl(8); without those that there are not. */
  readonly sysctls: (names: readonly string[]) => Promise<Readonly<Record<string, string>>>;
  readonly watchForwarding: WatchForwarding;
  /** What there is of the host to look at beside the kernel's network state. */
  readonly openHostSight: () => Promise<HostSight>;
  /** Ends on abort. Throws `netlink.errno` when changes of rules are not to be heard of. */
  readonly watchRules: WatchRules;
  readonly ruleGeneration: RuleGeneration;
  /** sd_notify(3): assignments such as "READY=1", one a line. Does nothing when nobody listens. */
  readonly notify: (state: string) => void;
  /** systemd restarts a daemon that has not said WATCHDOG=1 for this long; null when nobody watches. */
  readonly watchdog: Millis | null;
  /** Calls back whenever somebody asks for the counters, until disposed of. */
  readonly onReportRequest: (listener: () => void) => Disposable;
  /** Calls back whenever somebody asks to have the files read again that were replaced, until disposed of. */
  readonly onReloadRequest: (listener: () => void) => Disposable;
  readonly openStateDirectory: (path: string) => StateDirectory;
  /** Null when the system has none. */
  readonly readMachineId: () => Promise<string | null>;
  /** Null when there is no such file. */
  readonly readSubnetFile: (path: string) => Promise<string | null>;
  readonly writeSubnetFile: (path: string, text: string) => Promise<void>;
}
