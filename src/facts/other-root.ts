// The files of a process that has a mount namespace or a root directory of its own, as in a container. Kernel: /proc/PID/root
// leads to them, as if from within; only an absolute symbolic link among them leads back to the root of whoever follows it.

import { readlink, stat } from "node:fs/promises";

/** "/proc/4711/root"; empty when its files are those of this process, or that may not be seen. */
export async function rootOf(pid: number): Promise<string> {
  const views = await Promise.all([viewOf(pid), viewOf("self")]);
  const [theirs, own] = views;
  return theirs === null || theirs === own ? "" : `/proc/${pid}/root`;
}

async function viewOf(process: number | "self"): Promise<string | null> {
  const links = await Promise.all(
    ["ns/mnt", "root"].map((name) => readlink(`/proc/${process}/${name}`).catch(() => null)),
  );
  return links.includes(null) ? null : links.join(" ");
}

/**
 * Where to read what is at `path` below that root: a file that both have is named as everybody knows it, such as that of a
 * service with directories of its own.
 */
export async function placeOf(path: string, root: string): Promise<string> {
  if (root === "") return path;
  const [here, there] = await Promise.all([identityOf(path), identityOf(`${root}${path}`)]);
  return here === there ? path : `${root}${path}`;
}

/** Null when there is none. */
async function identityOf(path: string): Promise<string | null> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found && `${found.dev} ${found.ino}`;
}
