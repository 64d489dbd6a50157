// Facts from /proc and /dev, as the user who asks may see them.

import { constants } from "node:fs";
import { open, readdir, readFile, readlink, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { systemClock } from "../base/clock.ts";
import { ipv4FromNumber, type Prefix4 } from "../base/ip.ts";
import { ipv6FromNumber, type Prefix6, prefix6 } from "../base/ipv6.ts";
import {
  type DaemonProcess,
  type DaemonSetting,
  type Known,
  known,
  type RouteFact,
  type UserFacts,
  unknown,
} from "../check/facts.ts";
import type { LinkName } from "../net/objects.ts";
import { hasCapability } from "../privilege.ts";
import { daemonSettings, lockedDevices, lockedPrefixes, unseenPrefixes } from "./daemon-line.ts";
import { rootOf } from "./other-root.ts";

export async function readUser(): Promise<UserFacts> {
  return {
    isRoot: process.geteuid?.() === 0,
    netAdmin: await hasCapability("CAP_NET_ADMIN"),
    netRaw: await hasCapability("CAP_NET_RAW"),
  };
}

/**
 * Kernel: whose network namespace another process has, only root may read. Of another PID namespace no process is here,
 * but the names of sockets are those of the network namespace.
 */
export async function readDaemons(): Promise<Known<readonly DaemonProcess[]>> {
  const own = await readlink("/proc/self/ns/net");
  const found: DaemonProcess[] = [];
  const locked = await readLocks();
  let hidden = 0;
  for (const name of await readdir("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if ((await textOf(`/proc/${name}/comm`))?.trim() !== "flanneld") continue;
    const namespace = await namespaceOf(pid);
    if (namespace === HIDDEN) hidden += 1;
    else if (namespace === own) found.push(await readDaemon(pid, locked));
  }
  if (hidden > 0 && found.length === 0) {
    return unknown("only root may see which network namespace a running flanneld is in");
  }
  const unseen = unseenPrefixes(locked, await readLocks(), found);
  return known([...found, ...unseen.map((prefix) => ({ pid: null, prefix, settings: {}, root: "" }))]);
}

const HIDDEN = Symbol("hidden");

/** Null once it has ended. Kernel: who has ended and is not waited for is still listed, with its name but in no namespace. */
async function namespaceOf(pid: number): Promise<string | typeof HIDDEN | null> {
  try {
    return await readlink(`/proc/${pid}/ns/net`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "EACCES" || code === "EPERM" ? HIDDEN : null;
  }
}

async function readLocks(): Promise<ReadonlyMap<string, string>> {
  return lockedPrefixes((await textOf("/proc/net/unix")) ?? "");
}

export async function readCarriedDevices(): Promise<readonly string[]> {
  return lockedDevices((await textOf("/proc/net/unix")) ?? "");
}

/** What the Go daemon and ours are for when nothing says otherwise. */
const DEFAULT_PREFIX = "/coreos.com/network";

async function readDaemon(pid: number, locked: ReadonlyMap<string, string>): Promise<DaemonProcess> {
  const [cmdline, environ] = [await textOf(`/proc/${pid}/cmdline`), await textOf(`/proc/${pid}/environ`)];
  const settings = daemonSettings(cmdline ?? "", environ ?? "");
  const unsaid = cmdline === null || environ === null ? null : DEFAULT_PREFIX;
  const prefix = (await lockedPrefix(pid, locked)) ?? settings["etcd-prefix"]?.values.at(-1) ?? unsaid;
  return { pid, prefix, settings: await withWholePaths(pid, settings), root: await rootOf(pid) };
}

/** Null for the Go daemon, which has no such lock, and where the process's files may not be seen. */
async function lockedPrefix(pid: number, locked: ReadonlyMap<string, string>): Promise<string | null> {
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
    const prefix = locked.get(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? "");
    if (prefix !== undefined) return prefix;
  }
  return null;
}

/** A path may be relative to the directory that the daemon was started in. */
async function withWholePaths(pid: number, settings: DaemonProcess["settings"]): Promise<DaemonProcess["settings"]> {
  const directory = await readlink(`/proc/${pid}/cwd`).catch(() => "/");
  const whole = (name: string, setting: DaemonSetting): DaemonSetting =>
    PATHS.includes(name) ? { ...setting, values: setting.values.map((path) => resolve(directory, path)) } : setting;
  return Object.fromEntries(Object.entries(settings).map(([name, setting]) => [name, whole(name, setting)]));
}

const PATHS: readonly string[] = ["subnet-file", "state-dir", "etcd-cafile", "etcd-certfile", "etcd-keyfile"];

/** By opening the device that TUN devices are made with, which makes none. */
export async function tryTun(): Promise<Known<string | null>> {
  try {
    await using file = await open("/dev/net/tun", constants.O_RDWR);
    return known((await file.stat()).isCharacterDevice() ? null : NO_TUN_DEVICE);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    const isRoot = process.geteuid?.() === 0;
    if ((code === "EACCES" || code === "EPERM") && !isRoot) return unknown("only root may open /dev/net/tun");
    return known(TUN_FAILURES[code] ?? `/dev/net/tun cannot be opened (${code})`);
  }
}

const NO_TUN_DEVICE = "what is at /dev/net/tun is not the device";
const FORBIDDEN = "/dev/net/tun may not be opened in this container or unit (DeviceAllow=/dev/net/tun)";

const TUN_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: "there is no /dev/net/tun: the module tun is missing",
  ENODEV: "the kernel has nothing behind /dev/net/tun: the module tun is missing",
  // A container engine that binds what is not there makes a directory.
  EISDIR: NO_TUN_DEVICE,
  ENXIO: NO_TUN_DEVICE,
  // Linux: of a file system that was mounted with nodev.
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
};

/** Kernel: TcpExt IPReversePathFilter, of the network namespace. */
export async function readReversePathDrops(): Promise<number | null> {
  return parseNetstat((await textOf("/proc/net/netstat")) ?? "", "IPReversePathFilter");
}

/** /proc/net/netstat has pairs of lines: names, then values. */
export function parseNetstat(text: string, name: string): number | null {
  const lines = text.split("\n").map((line) => line.split(" "));
  for (const [index, names] of lines.entries()) {
    const column = names.indexOf(name);
    const value = column === -1 ? undefined : lines[index + 1]?.[column];
    if (value !== undefined) return Number(value);
  }
  return null;
}

/** Those that `keeps` accepts: of thousands only these are ever held together. */
export async function readRoutes(keeps: (route: RouteFact) => boolean = () => true): Promise<readonly RouteFact[]> {
  return parseRoutes((await textOf("/proc/net/route")) ?? "", keeps);
}

/** A line of /proc/net/route: Iface, Destination, Gateway, Flags, RefCnt, Use, Metric, Mask. */
const ROUTE = /^(\S+)\t([\dA-F]{8})\t(?:\S+\t){5}([\dA-F]{8})\t/gm;

/** /proc/net/route: addresses and masks as hexadecimal numbers in the machine's order, which is the little one. */
export function parseRoutes(text: string, keeps: (route: RouteFact) => boolean): readonly RouteFact[] {
  const routes: RouteFact[] = [];
  for (const [, dev = "", destination = "", mask = ""] of text.matchAll(ROUTE)) {
    // Kernel: no bit of a destination is set beyond its mask. With thousands of routes each call counts.
    const dst = `${ipv4FromNumber(hostOrder(destination))}/${Math.clz32(~hostOrder(mask))}` as Prefix4;
    const route = { dev: dev as LinkName, dst };
    if (keeps(route)) routes.push(route);
  }
  return routes;
}

export async function readRoutes6(): Promise<readonly RouteFact<Prefix6>[]> {
  return parseRoutes6((await textOf("/proc/net/ipv6_route")) ?? "");
}

/** Kernel: RTF_REJECT (0x200), RTF_ANYCAST (0x100000) and RTF_LOCAL (0x80000000). */
const LEADS_TO_NO_OTHER = 0x8010_0200n;

/** /proc/net/ipv6_route: dst, its length, src, its length, gateway, metric, refcnt, use, flags, device; hexadecimal. */
export function parseRoutes6(text: string): readonly RouteFact<Prefix6>[] {
  return text
    .split("\n")
    .map((line) => line.trim().split(/ +/))
    .flatMap(([destination, length, , , , , , , flags, dev]) => {
      if (!destination || !length || !flags || !dev) return [];
      if ((BigInt(`0x${flags}`) & LEADS_TO_NO_OTHER) !== 0n) return [];
      const dst = prefix6(ipv6FromNumber(BigInt(`0x${destination}`)), Number.parseInt(length, 16));
      return [{ dev: dev as LinkName, dst }];
    });
}

/** The bytes of the number in the other order. */
function hostOrder(hex: string): number {
  const number = Number.parseInt(hex, 16);
  return ((number << 24) | ((number & 0xff00) << 8) | ((number >>> 8) & 0xff00) | (number >>> 24)) >>> 0;
}

/** By the clock as it is now: a file from before a clock was set forward is taken for one of an earlier boot. */
export async function isOfThisBoot(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found !== null && found.mtimeMs >= systemClock.now() - systemClock.boottime();
}

async function textOf(path: string): Promise<string | null> {
  return await readFile(path, "utf8").catch(() => null);
}
