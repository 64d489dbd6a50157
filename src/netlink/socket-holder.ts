// Which process has a socket, for those of whom the kernel tells nobody who asks. Never throws: what cannot be found out is
// not told.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The process that has one of these sockets; null when there is none, or none that is visible here. */
export function socketHolder(inodes: readonly string[]): number | null {
  const sockets = new Set(inodes.map((inode) => `socket:[${inode}]`));
  const found = readdirSync("/proc").find((entry) => /^\d+$/.test(entry) && hasOpen(entry, sockets));
  return found === undefined ? null : Number(found);
}

/** That of a name of the abstract name space of this network namespace, whatever it does with it. */
export function nameHolder(name: string): number | null {
  try {
    const inodes = inodesOfName(readFileSync("/proc/self/net/unix", "utf8"), name);
    return inodes.length === 0 ? null : socketHolder(inodes);
  } catch {
    return null;
  }
}

/** By the text of /proc/PID/net/unix (proc(5)). Kernel: "@" is the zero byte of an abstract name. */
function inodesOfName(table: string, name: string): readonly string[] {
  return table.split("\n").flatMap((line) => {
    const [, inode, path] = /^\S+: +(?:\S+ +){5}(\d+) (.+)$/.exec(line) ?? [];
    return inode !== undefined && path === `@${name}` ? [inode] : [];
  });
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
