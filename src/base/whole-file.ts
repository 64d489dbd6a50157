// Files that others read while we write them, or that must survive a crash: there is always the old text or the new one.

import { link, mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { FlannelError } from "./errors.ts";
import { describeFileError } from "./file-error.ts";
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

/**
 * A file of its own for a person, for its owner alone to read: all of it or nothing, also when it is interrupted. Throws
 * `request.refused` where there is a file already, and `file.unwritable`.
 */
export async function writeNewFile(path: string, bytes: Uint8Array): Promise<void> {
  const unfinished = `${path}.${process.pid}.part`;
  try {
    await writeFile(unfinished, bytes, { mode: 0o600, flag: "wx" });
    // Unlike a rename this takes nobody's place.
    await link(unfinished, path);
  } catch (error) {
    throw notWritten(path, error);
  } finally {
    await rm(unfinished, { force: true }).catch(() => {});
  }
}

function notWritten(path: string, error: unknown): FlannelError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EEXIST") {
    const reason = `cannot write ${path}: ${describeFileError(error)}`;
    return new FlannelError("request.refused", { reason, hint: null }, { cause: error });
  }
  const reason = code === "ENOENT" ? `there is no directory ${dirname(path)}` : describeFileError(error);
  return new FlannelError("file.unwritable", { path, reason }, { cause: error });
}

/** Nothing when there is none. Throws the file system's error. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true });
}
