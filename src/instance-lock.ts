// No second daemon for one network, or with one device, on one host: two would undo each other's work. Networks that have
// different prefixes in etcd may have one VNI, and with it one device. The lock is a name in the network namespace, so that
// it ends with its process however that ends, needs no directory, and does not keep another namespace or another network
// out.

import { createHash } from "node:crypto";
import { FlannelError } from "./base/errors.ts";
import type { Logger } from "./base/log.ts";
import type { LockHolder, NativeAddon } from "./native/native.ts";
import type { LinkName } from "./net/objects.ts";

export interface LockDeps {
  readonly native: Pick<NativeAddon, "takeLock" | "lockHolder">;
  /** The process that has a name although it tells nobody who asks; null when it is not visible here. */
  readonly nameHolder: (name: string) => number | null;
  /** Whether a process may change the network; null when there is none, or it is hidden from us. */
  readonly mayChangeNetwork: (pid: number) => Promise<boolean | null>;
  /** Whether a user may be the one as whom a daemon runs. */
  readonly isTrusted: (uid: number) => boolean;
  readonly log: Logger;
}

/** Kernel: an abstract name has up to 107 bytes. */
const LONGEST_NAME = 100;
/** A holder that has just ended frees the name; more often than this nobody ends. */
const MOST_ATTEMPTS = 10;

/** "@flanneld /coreos.com/network" in ss -xl. Of a very long prefix a digest. */
export function lockName(prefix: string): string {
  const name = `flanneld ${prefix}`;
  if (Buffer.byteLength(name) <= LONGEST_NAME) return name;
  return `flanneld ${createHash("sha256").update(prefix).digest("hex")}`;
}

/** Throws `instance.running`, which names the process. */
export async function lockInstance(prefix: string, deps: LockDeps): Promise<Disposable> {
  const refuse = (pid: number) => new FlannelError("instance.running", { prefix, pid });
  return await takeName(lockName(prefix), refuse, deps);
}

/** All of them or none. Throws `device.carried`, which names the process. */
export async function lockDevices(devices: readonly string[], deps: LockDeps): Promise<Disposable> {
  const locks: Disposable[] = [];
  const release = () => {
    for (const lock of locks) lock[Symbol.dispose]();
  };
  try {
    for (const device of devices) {
      const refuse = (pid: number) => new FlannelError("device.carried", { device, pid });
      locks.push(await takeName(deviceLock(device), refuse, deps));
    }
  } catch (error) {
    release();
    throw error;
  }
  return { [Symbol.dispose]: release };
}

/** Those that a daemon has which is not this one, before this one has any. */
export async function carriedDevices(
  devices: readonly LinkName[],
  { mayChangeNetwork, isTrusted, ...deps }: Omit<LockDeps, "log">,
): Promise<readonly LinkName[]> {
  const carried: LinkName[] = [];
  for (const device of devices) {
    const { pid, uid } = holderOf(deviceLock(device), deps);
    if (pid < 0) continue;
    const isDaemon = pid === 0 ? null : await mayChangeNetwork(pid);
    if (isDaemon ?? isTrusted(uid)) carried.push(device);
  }
  return carried;
}

/** Whoever does not listen, or lets its queue fill up, has the name all the same. */
function holderOf(name: string, { native, nameHolder }: Pick<LockDeps, "native" | "nameHolder">): LockHolder {
  const answer = native.lockHolder(name);
  return answer.pid > 0 ? answer : { ...answer, pid: nameHolder(name) ?? answer.pid };
}

function deviceLock(device: string): string {
  return `flanneld device ${device}`;
}

async function takeName(
  name: string,
  refuse: (pid: number) => FlannelError,
  { native, nameHolder, mayChangeNetwork, isTrusted, log }: LockDeps,
): Promise<Disposable> {
  let holder: LockHolder = { pid: 0, uid: 0 };
  let isDaemon: boolean | null = null;
  for (let attempt = 0; isDaemon === null && attempt < MOST_ATTEMPTS; attempt++) {
    const lock = native.takeLock(name);
    if (lock) return lock;
    holder = holderOf(name, { native, nameHolder });
    if (holder.pid < 0) continue;
    // A process of another container has no number here: its user must do.
    isDaemon = holder.pid === 0 ? isTrusted(holder.uid) : await mayChangeNetwork(holder.pid);
  }
  const { pid, uid } = holder;
  if (isDaemon ?? isTrusted(uid)) throw refuse(Math.max(pid, 0));
  // Any user may take a name. One who cannot change the network is no flanneld, and must not keep ours from running.
  log.warn("another program has the name that tells a second flanneld; going on without it", {
    pid,
    hint: `stop it: ss -xlp shows it as @${name}`,
  });
  return { [Symbol.dispose]: () => {} };
}
