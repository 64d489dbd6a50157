// A whole Debian on a host of the lab, booted by systemd-nspawn in the host's network namespace: for what only an init
// system and a package manager can show. Its files are an overlay on a root that is made once by debootstrap.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Millis, seconds } from "../src/base/brand.ts";
import { attempt, type Output, type RunOptions, run, toolEnvironment } from "./run.ts";
import type { Machine } from "./topology.ts";
import { waitFor } from "./wait.ts";

/** Beside what makes it boot: etcd, what an administrator looks with, and what our package depends on. */
const PACKAGES = [
  ...["systemd", "systemd-sysv", "dbus", "init-system-helpers", "iproute2", "iptables", "nftables", "procps", "kmod"],
  ...["iputils-ping", "etcd-server", "etcd-client", "libstdc++6", "libatomic1"],
];
const RELEASE = "bookworm";
const BOOT_LIMIT = seconds(120);

/** Makes the root that all machines share; nothing when it is there. */
export async function prepareDebian(directory: string, signal: AbortSignal): Promise<void> {
  if (existsSync(directory)) return;
  const temporary = `${directory}.${process.pid}`;
  mkdirSync(dirname(directory), { recursive: true });
  try {
    const include = `--include=${PACKAGES.join(",")}`;
    await run(["debootstrap", "--variant=minbase", include, RELEASE, temporary], { limit: seconds(900) }, signal);
    renameSync(temporary, directory);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

export interface Debian extends AsyncDisposable {
  readonly machine: Machine;
  /** The running machine's files, seen from outside. */
  path(inside: string): string;
  /** Runs a command on the machine; throws when it fails. */
  run(command: readonly string[], signal: AbortSignal, limit?: Millis): Promise<string>;
  attempt(command: readonly string[], signal: AbortSignal, limit?: Millis): Promise<Output>;
  /** Where the machine's files are for `whileOff`. */
  readonly root: string;
  /** What lies here is a part of the machine's files; for what it is to find when it boots. */
  readonly upper: string;
  /** Runs a command of this machine, which finds the files of the one that is off below `root`. */
  whileOff(command: readonly string[], options: RunOptions, signal: AbortSignal): Promise<Output>;
  /** Resolves when systemd has started everything, or has tried to. */
  boot(signal: AbortSignal): Promise<void>;
  /** Resolves when it is off. Devices and routes stay with the namespace, which a real machine would lose. */
  powerOff(signal: AbortSignal): Promise<void>;
}

export interface DebianOptions {
  /** More flags of systemd-nspawn. */
  readonly flags?: readonly string[];
  /** Of systemd-nspawn. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** The machine is off at first. */
export function createDebian(machine: Machine, base: string, options: DebianOptions = {}): Debian {
  const upper = join(machine.directory, "upper");
  const work = join(machine.directory, "work");
  const root = join(machine.directory, "root");
  for (const directory of [upper, work, root]) mkdirSync(directory, { recursive: true });
  let child: ChildProcess | null = null;
  let leader = 0;
  const enter = (command: readonly string[]) => enterMachine(leader, command);
  const isOff = () => child === null || child.exitCode !== null || child.signalCode !== null;
  const untilOff = (signal: AbortSignal) =>
    waitFor(`${machine.name} to be off`, () => isOff() || null, seconds(60), signal);
  const debian = {
    machine,
    root,
    upper,
    whileOff: (command: readonly string[], options: RunOptions, signal: AbortSignal) =>
      run(withFiles({ base, upper, work, root }, command), options, signal),
    path: (inside: string) => join(`/proc/${leader}/root`, inside),
    run: async (command: readonly string[], signal: AbortSignal, limit: Millis = seconds(60)) =>
      (await run(enter(command), { limit }, signal)).stdout,
    attempt: (command: readonly string[], signal: AbortSignal, limit: Millis = seconds(60)) =>
      attempt(enter(command), { limit }, signal),
    async boot(signal: AbortSignal) {
      const started = launch(machine, { base, upper, work, root }, options);
      child = started;
      leader = await waitFor(`the init of ${machine.name}`, () => leaderOf(started), BOOT_LIMIT, signal);
      await waitFor(`the boot of ${machine.name}`, () => hasBooted(debian, signal), BOOT_LIMIT, signal);
    },
    async powerOff(signal: AbortSignal) {
      await debian.attempt(["systemctl", "poweroff"], signal);
      await untilOff(signal);
    },
    async [Symbol.asyncDispose]() {
      // The init first: with it everything in the machine ends.
      for (const pid of [leader, child?.pid ?? 0]) if (pid > 0 && !isOff()) kill(pid);
      await untilOff(new AbortController().signal);
    },
  };
  return debian;
}

/** The command as it is run inside; `leader` is the machine's init. */
function enterMachine(leader: number, command: readonly string[]): readonly string[] {
  return [
    // In a session of its own: nothing inside can signal the process group of whoever looks.
    ...["setsid", "--wait", "nsenter", "-t", String(leader), "-a", "--"],
    ...["env", "-i", "LC_ALL=C", "SYSTEMD_PAGER=", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"],
    ...["PATH=/usr/sbin:/usr/bin:/sbin:/bin", ...command],
  ];
}

/** Null while systemd is still starting something. */
async function hasBooted(debian: Debian, signal: AbortSignal): Promise<true | null> {
  const { stdout } = await debian.attempt(["systemctl", "is-system-running", "--wait"], signal, BOOT_LIMIT);
  return /^(running|degraded)$/m.test(stdout) || null;
}

interface Layers {
  readonly base: string;
  readonly upper: string;
  readonly work: string;
  readonly root: string;
}

/** The overlay is mounted in a mount namespace of the command's own, so that it goes with it, whatever happens. */
function withFiles({ base, upper, work, root }: Layers, command: readonly string[]): readonly string[] {
  const script = `mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4" && shift 4 && exec "$@"`;
  const unshare = ["unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh"];
  return [...unshare, base, upper, work, root, ...command];
}

function launch({ name, namespace, directory }: Machine, layers: Layers, options: DebianOptions): ChildProcess {
  const nspawn = [
    ...["systemd-nspawn", "--quiet", `--directory=${layers.root}`, "--boot", "--register=no", "--keep-unit"],
    ...[
      `--machine=${name}`,
      `--network-namespace-path=/run/netns/${namespace}`,
      "--capability=CAP_NET_ADMIN,CAP_NET_RAW",
    ],
    ...["--bind=/dev/net/tun", "--console=pipe", "--resolv-conf=off", "--link-journal=no"],
    ...(options.flags ?? []),
  ];
  const log = openSync(join(directory, "console.log"), "a");
  try {
    const [program = "", ...args] = withFiles(layers, nspawn);
    const env = { ...toolEnvironment(), SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1", ...options.environment };
    return spawn(program, args, { detached: true, stdio: ["ignore", log, log], env });
  } finally {
    closeSync(log);
  }
}

/** The process that is number 1 inside; null while there is none. Throws when the machine has ended instead. */
function leaderOf({ pid, exitCode, signalCode }: ChildProcess): number | null {
  if (exitCode !== null || signalCode !== null) throw new Error(`systemd-nspawn has ended (${exitCode ?? signalCode})`);
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    return children.map(Number).find((child) => /^NSpid:\s+\d+\s+1$/m.test(readStatus(child))) ?? null;
  } catch {
    return null;
  }
}

function readStatus(pid: number): string {
  return readFileSync(`/proc/${pid}/status`, "utf8");
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
