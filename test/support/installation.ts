// The program as a user without root has it: the launcher and the bundle, and no native addon beside them.

import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attempt, type Output, type RunOptions } from "../../lab/run.ts";

/** This file runs from dist/test/support. */
const ROOT = join(import.meta.dirname, "../../..");

export interface Installation extends Disposable {
  readonly directory: string;
  readonly program: string;
  /** Without any capability. */
  run(words: readonly string[], options?: RunOptions): Promise<Output>;
  /** A line for bash, in which flanneld is a command; `isRoot`: with all capabilities, to make the place for it. */
  shell(line: string, options?: RunOptions & { readonly isRoot?: boolean }): Promise<Output>;
}

const NO_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];

export function openInstallation(signal: AbortSignal): Installation {
  const directory = mkdtempSync(join(tmpdir(), "flanneld-commands-"));
  // For other users, too.
  chmodSync(directory, 0o755);
  for (const name of ["bin", "dist"]) mkdirSync(join(directory, name));
  cpSync(join(ROOT, "bin/flanneld"), join(directory, "bin/flanneld"));
  cpSync(join(ROOT, "dist/flanneld.cjs"), join(directory, "dist/flanneld.cjs"));
  const program = join(directory, "bin/flanneld");
  return {
    directory,
    program,
    run: (words, options = {}) => attempt([...NO_CAPABILITIES, program, ...words], options, signal),
    shell(line, { isRoot = false, ...options } = {}) {
      const env = { ...options.env, PATH: `${join(directory, "bin")}:${process.env["PATH"]}` };
      return attempt([...(isRoot ? [] : NO_CAPABILITIES), "bash", "-c", line], { ...options, env }, signal);
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}
