// The built program, installed in another place: what an upgrade puts beside the one that runs.

import { cpSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

/** This file runs from dist/lab. */
const ROOT = join(import.meta.dirname, "../..");
/** Modules that are compiled for tests and the like; the program is a bundle of its own. */
const MODULES = /dist\/(src|test|lab|demo|bench|packaging|soak)$/;

/** Below the directory; the path of the launcher. Made once, however often it is asked for. */
export function installCopy(directory: string, name: string): string {
  const copy = join(directory, name);
  if (!existsSync(copy)) copyTo(copy);
  return join(copy, "bin/flanneld");
}

function copyTo(copy: string): void {
  mkdirSync(copy);
  for (const part of ["bin", "dist", "package.json"]) {
    cpSync(join(ROOT, part), join(copy, part), { recursive: true, filter: (path) => !MODULES.test(path) });
  }
}
