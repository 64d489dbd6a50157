// Puts a copy of a file in another one's place, which keeps what it is to those who have it open: a process that has mapped
// an addon is ended by the kernel when that is written over.

import { copyFileSync, renameSync } from "node:fs";

export function replaceFile(from, to) {
  const temporary = `${to}.${process.pid}.tmp`;
  copyFileSync(from, temporary);
  renameSync(temporary, to);
}
