// The real doors to the world, as the daemon is given them in production.

import { startTimer, systemClock } from "./base/clock.ts";
import type { OpenDatapath } from "./base/datapath.ts";
import { familyOf } from "./base/ip.ts";
import type { Logger } from "./base/log.ts";
import { systemRandom } from "./base/random.ts";
import { serviceLogin } from "./cli/service-settings.ts";
import { openControl } from "./control/server.ts";
import { readDevice } from "./device-counters.ts";
import { openEtcdLeaseStore } from "./etcd/lease-store.ts";
import { readSysctls } from "./facts/sysctls.ts";
import { hasBridgeFilter } from "./firewall/bridge-filter.ts";
import { createRunTool } from "./firewall/tool.ts";
import { openHealth } from "./health.ts";
import { carriedDevices, lockDevices, lockInstance } from "./instance-lock.ts";
import { installedNative, type NativeAddon } from "./native/native.ts";
import { codeOf } from "./netlink/errno.ts";
import { watchForwarding } from "./netlink/forwarding-hints.ts";
import { openKernelNet } from "./netlink/kernel-net.ts";
import { readRuleGeneration } from "./netlink/rule-generation.ts";
import { watchRules } from "./netlink/rule-hints.ts";
import { nameHolder } from "./netlink/socket-holder.ts";
import { udpPortHolder } from "./netlink/udp-port-holder.ts";
import { createNotifier } from "./notifier.ts";
import type { Ports } from "./ports.ts";
import { hasCapability, processHasCapability } from "./privilege.ts";
import { createProcessReader } from "./process-status.ts";
import { readSettingsFiles } from "./settings-files.ts";
import { openStateDirectory, readMachineId } from "./state-directory.ts";
import { readSubnetFile, writeSubnetFile } from "./subnet/subnet-file.ts";
import { takeWatchdog } from "./watchdog.ts";

/** What is there before the others: a start is logged before the rest is loaded. */
export type LogPorts = Pick<Ports, "log" | "logLevel" | "logTrouble" | "events">;

/** Throws `native.unavailable` when the addon in the install directory cannot be loaded. */
export function openPorts({ log, logLevel, logTrouble, events }: LogPorts, installDirectory: string): Ports {
  const native = installedNative(installDirectory);
  return {
    clock: systemClock,
    random: systemRandom,
    log,
    logLevel,
    logTrouble,
    events,
    openStore: (options) => openEtcdLeaseStore(options, { clock: systemClock, random: systemRandom, log, readLogin }),
    openKernel: () => openKernelNet(native),
    openDatapath: namingHolder(native.openDatapath),
    openPacketSocket: native.openPacketSocket,
    openPinger: async () => {
      // Loaded only where peers are probed.
      const { openRawPinger } = await import("./icmp/raw-pinger.ts");
      return await openRawPinger({ clock: systemClock, random: systemRandom });
    },
    openHealth,
    openControl,
    releaseFreeMemory: native.releaseFreeMemory,
    readProcess: createProcessReader({ clock: systemClock, level: logLevel.get }),
    readDevice,
    hasCapability,
    lockInstance: (prefix) => lockInstance(prefix, { native, nameHolder, mayChangeNetwork, isTrusted, log }),
    lockDevices: (devices) => lockDevices(devices, { native, nameHolder, mayChangeNetwork, isTrusted, log }),
    carriedDevices: (devices) => carriedDevices(devices, { native, nameHolder, mayChangeNetwork, isTrusted }),
    runTool: createRunTool(native.openMemoryFile),
    hasBridgeFilter,
    sysctls: readSysctls,
    watchForwarding: (signal) => watchForwarding(native, signal),
    // Loaded with the first look.
    openHostSight: async () => (await import("./facts/host-sight.ts")).hostSight,
    watchRules: (signal) => watchRules(native, signal),
    ruleGeneration: () => readRuleGeneration(native),
    notify: systemdNotifier(native, log),
    onReportRequest: createSignalRequests("SIGUSR1"),
    onReloadRequest: createSignalRequests("SIGHUP"),
    watchdog: takeWatchdog(process.env, process.pid),
    openStateDirectory: (path) => openStateDirectory(path, { random: systemRandom }),
    readMachineId: () => readMachineId(),
    readSubnetFile,
    writeSubnetFile: (path, text) => writeSubnetFile(path, text, { random: systemRandom }),
  };
}

const readLogin = () => serviceLogin(readSettingsFiles());

const isTrusted = (uid: number) => uid === 0 || uid === process.geteuid?.();

const mayChangeNetwork = (pid: number) => processHasCapability(pid, "CAP_NET_ADMIN");

function namingHolder(open: OpenDatapath): OpenDatapath {
  return (options, listener) => {
    try {
      return open(options, listener);
    } catch (error) {
      const holder = codeOf(error) === "EADDRINUSE" ? udpPortHolder(options.port, familyOf(options.address)) : null;
      throw holder === null ? error : Object.assign(error as Error, { holder });
    }
  };
}

/**
 * Whether anybody listens or not, the signal is never left to Node, which would open its debugger to every local user
 * (SIGUSR1), or end (SIGHUP).
 */
function createSignalRequests(name: "SIGUSR1" | "SIGHUP"): (listener: () => void) => Disposable {
  const listeners = new Set<() => void>();
  process.on(name, () => {
    for (const listener of listeners) listener();
  });
  return (listener) => {
    listeners.add(listener);
    return { [Symbol.dispose]: () => void listeners.delete(listener) };
  };
}

/** sd_notify(3). The variable is removed, so that children do not speak in our name. */
function systemdNotifier(native: NativeAddon, log: Logger): (state: string) => void {
  const socket = process.env["NOTIFY_SOCKET"];
  delete process.env["NOTIFY_SOCKET"];
  if (!socket) return () => {};
  const send = (state: string) => native.sendDatagram(socket, Buffer.from(state));
  return createNotifier({ send, startTimer, clock: systemClock, log });
}
