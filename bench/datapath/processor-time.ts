// Processor time: of the whole machine, and of whatever runs in some network namespaces. The data path of a kernel
// backend runs in no process, so only the machine's sum tells what it costs.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Kernel: what user space reads is counted in USER_HZ, which is 100 on every architecture that we know. */
const TICKS_PER_SECOND = 100;
const NAMESPACES = "/run/netns";

export interface ProcessorSeconds {
  /** All time in which a processor was neither idle nor waited for a disk. */
  readonly machine: number;
  /** User and system time of the processes in the hosts' namespaces: the daemons and what they have started. */
  readonly daemons: number;
}

export function readProcessorSeconds(hostNamespaces: readonly string[]): ProcessorSeconds {
  const inodes = hostNamespaces.map((namespace) => statSync(join(NAMESPACES, namespace)).ino);
  let daemons = 0;
  for (const pid of readdirSync("/proc")) {
    if (/^\d+$/.test(pid)) daemons += secondsOf(pid, inodes);
  }
  return { machine: parseMachineSeconds(readFileSync("/proc/stat", "utf8")), daemons };
}

/** Zero when the process is elsewhere or has ended meanwhile. */
function secondsOf(pid: string, inodes: readonly number[]): number {
  try {
    if (!inodes.includes(statSync(`/proc/${pid}/ns/net`).ino)) return 0;
    return parseProcessSeconds(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return 0;
  }
}

/** /proc/stat -> user, nice, system, irq and softirq. Guests are part of user; what a hypervisor steals is not ours. */
export function parseMachineSeconds(text: string): number {
  const fields = /^cpu +(.*)$/m.exec(text)?.[1]?.split(" ").map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields;
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}

/** /proc/PID/stat -> utime and stime, which include all threads, also those that have ended. */
export function parseProcessSeconds(text: string): number {
  // The name, in parentheses, may hold anything; the third field comes after it.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
