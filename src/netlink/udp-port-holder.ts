// Who has a UDP port of this network namespace, for the sentence that says so. Never throws: what cannot be found out is
// not told.

import { readFileSync } from "node:fs";
import type { Family } from "../base/ip.ts";
import { socketHolder } from "./socket-holder.ts";

/** By family, where sockets are looked for that are in the way of one of its own. Those of IPv6 can be in that of IPv4. */
const TABLES: Readonly<Record<Family, readonly string[]>> = { ipv4: ["udp", "udp6"], ipv6: ["udp6"] };

/** "process 4711 (cilium-agent)", or the kernel itself; null when nobody has it, or it cannot be told. */
export function udpPortHolder(port: number, family: Family): string | null {
  try {
    const found = TABLES[family].map((name) => inodesOf(readFileSync(`/proc/self/net/${name}`, "utf8"), port));
    const inodes = found.find((some) => some.length > 0);
    if (inodes === undefined) return null;
    const pid = socketHolder(inodes);
    if (pid === null)
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
