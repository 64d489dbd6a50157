// Who has a UDP port of this network namespace, for the sentence that says so. Never throws: what cannot be found out is
// not told.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** "process 4711 (cilium-agent)", or the kernel itself; null when nobody has it, or it cannot be told. */
export function udpPortHolder(port: number): string | null {
  try {
    const inodes = inodesOf(readFileSync("/proc/self/net/udp", "utf8"), port);
    if (inodes.length === 0) return null;
    const sockets = new Set(inodes.map((inode) => `socket:[${inode}]`));
    const pid = readdirSync("/proc").find((entry) => /^\d+$/.test(entry) && hasOpen(entry, sockets));
    if (pid === undefined)
      return "the kernel itself, for a device such as one of vxlan, or a process that is not visible here";
    return `process ${pid} (${readFileSync(`/proc/${pid}/comm`, "utf8").trim()})`;
  } catch {
    return null;
  }
}

/** Of the sockets on a port, by the text of /proc/PID/net/udp (proc(5)): addresses in hexadecimal. */
export function inodesOf(table: string, port: number): readonly string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([, local, , , , , , , , inode]) => (local?.endsWith(suffix) && inode ? [inode] : []));
}

function hasOpen(pid: string, sockets: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => sockets.has(linkAt(`/proc/${pid}/fd/${fd}`)));
  } catch {
    // It has ended, or is not ours to look at.
    return false;
  }
}

function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
