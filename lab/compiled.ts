// Small C programs of the lab, for what Node cannot do. Compiled at first use, into the output directory.

import { execFileSync } from "node:child_process";
import { renameSync, statSync } from "node:fs";
import { join } from "node:path";

/** This file runs from dist/lab; the C sources are beside its TypeScript source. */
const SOURCES = join(import.meta.dirname, "../../lab");

/** The path of the program that lab/NAME.c makes. Several processes may ask at once. */
export function compiledProgram(name: string): string {
  const program = join(import.meta.dirname, name);
  const source = join(SOURCES, `${name}.c`);
  if (changedAt(program) > changedAt(source)) return program;
  const temporary = `${program}.${process.pid}`;
  execFileSync("cc", ["-O1", "-Wall", "-Wextra", "-Werror", "-o", temporary, source]);
  renameSync(temporary, program);
  return program;
}

/** Milliseconds since the epoch; 0 when there is no such file. */
function changedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
