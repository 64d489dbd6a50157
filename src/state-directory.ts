// The directory in which a host remembers who it is and what it had: /var/lib/flannel, which survives a reboot as /run does
// not. Nothing depends on it; what cannot be read or written costs only what it would have been good for.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Random } from "./base/random.ts";
import { writeWholeFile } from "./base/whole-file.ts";

export interface StateDirectory {
  readonly path: string;
  /** Null when there is no such file. Throws the file system's error. */
  read(name: string): Promise<string | null>;
  /** All of it or none, also when the power fails. Throws the file system's error. */
  write(name: string, text: string): Promise<void>;
}

export function openStateDirectory(path: string, deps: { readonly random: Random }): StateDirectory {
  return {
    path,
    read: (name) => readIfThere(join(path, name)),
    write: (name, text) => writeWholeFile(join(path, name), text, 0o600, deps),
  };
}

/**
 * systemd: names an installation, and is made anew when that is cloned in order. Null when the system has none. `root`: of
 * another system than this process is in.
 */
export async function readMachineId(root = ""): Promise<string | null> {
  const text = await readIfThere(`${root}/etc/machine-id`).catch(() => null);
  return text?.trim() || null;
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
