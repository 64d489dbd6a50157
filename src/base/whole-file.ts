// Files that others read while we write them, or that must survive a crash: there is always the old text or the new one.

import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Random } from "./random.ts";

/**
 * Puts the text at `path`, and makes the directory if there is none. A file that says so already is left alone, so that
 * nobody who watches it wakes. Throws the file system's error.
 */
export async function writeWholeFile(
  path: string,
  text: string,
  mode: number,
  { random }: { readonly random: Random },
): Promise<void> {
  if ((await readFile(path, "utf8").catch(() => null)) === text) return;
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  const temporary = join(dirname(path), `.${basename(path)}${random.integer(1e9, 1e10 - 1)}`);
  try {
    await writeDurably(temporary, text, mode);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.chmod(mode);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Nothing when there is none. Throws the file system's error. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true });
}
