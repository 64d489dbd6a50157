// Programs of Debian packages that are not installed on this machine, or of another release: their files and those of
// all that they depend on, in a directory of their own. No script of a package runs, and no service is started.

import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { seconds } from "../src/base/brand.ts";
import { run } from "./run.ts";

export interface DebianFiles {
  /** "trixie" */
  readonly release: string;
  readonly packages: readonly string[];
}

/** Nothing when the directory is there. To be run there by chroot. */
export async function unpackDebian(
  { release, packages }: DebianFiles,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  if (existsSync(directory)) return;
  const temporary = `${directory}.${process.pid}`;
  mkdirSync(dirname(directory), { recursive: true });
  try {
    const unpack = ["mmdebstrap", "--quiet", "--mode=root", "--variant=extract", `--include=${packages.join(",")}`];
    await run([...unpack, release, temporary], { limit: seconds(900) }, signal);
    renameSync(temporary, directory);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
