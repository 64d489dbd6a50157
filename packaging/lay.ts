// Puts entries below a directory as they will be installed.

import { chmodSync, copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Entry } from "./tree.ts";

/** The directory is emptied first. */
export function layTree(directory: string, entries: readonly Entry[]): void {
  rmSync(directory, { recursive: true, force: true });
  // Directories are 0755 whatever the umask of the one who builds.
  const umask = process.umask(0o022);
  try {
    mkdirSync(directory, { recursive: true });
    for (const { path, mode, content } of entries) {
      const target = join(directory, path);
      mkdirSync(dirname(target), { recursive: true });
      switch (content.kind) {
        case "bytes":
          writeFileSync(target, content.bytes);
          break;
        case "file":
          copyFileSync(content.file, target);
          break;
        case "link":
          symlinkSync(content.to, target);
          continue;
      }
      chmodSync(target, mode);
    }
  } finally {
    process.umask(umask);
  }
}
