// Whether this process may change the kernel's network state, asked once at start so that the answer is one sentence.

import { readFile } from "node:fs/promises";

/** Kernel: the bits of include/uapi/linux/capability.h. */
const BITS = { CAP_NET_ADMIN: 12n, CAP_NET_RAW: 13n } as const;

export type Capability = keyof typeof BITS;

/** Of the calling thread, in its own user namespace. */
export async function hasCapability(capability: Capability): Promise<boolean> {
  return grantsCapability(await readFile("/proc/self/status", "utf8"), capability);
}

/** The same of another process; null when there is none. */
export async function processHasCapability(pid: number, capability: Capability): Promise<boolean | null> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => null);
  return status === null ? null : grantsCapability(status, capability);
}

/** Reads the text of /proc/PID/status: the effective set is what the kernel looks at. False when it is not there. */
export function grantsCapability(procStatus: string, capability: Capability): boolean {
  const effective = /^CapEff:\s*([\da-f]+)$/im.exec(procStatus)?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> BITS[capability]) & 1n) === 1n;
}
