// What a program needs of the system that it is installed on, read from its ELF headers.

import { run } from "../lab/run.ts";

export interface Libraries {
  /** The oldest glibc that will do: "2.34". */
  readonly glibc: string;
  /** Other shared libraries, by their sonames. */
  readonly libraries: readonly string[];
}

export async function readLibraries(programs: readonly string[], signal: AbortSignal): Promise<Libraries> {
  const { stdout } = await run(["objdump", "-p", ...programs], {}, signal);
  return parseLibraries(stdout);
}

/** Reads what `objdump -p` says. Of glibc itself only the version counts. */
export function parseLibraries(text: string): Libraries {
  const versions = [...text.matchAll(/\bGLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [
    Number(major),
    Number(minor),
  ]);
  const [newest] = versions.sort(([a = 0, b = 0], [c = 0, d = 0]) => c - a || d - b);
  if (!newest) throw new Error("the program names no version of glibc");
  const needed = [...text.matchAll(/^\s*NEEDED\s+(\S+)$/gm)].map(([, name = ""]) => name);
  const own = /^(libc|libm|libdl|libpthread|librt|ld-linux.*)\.so/;
  return { glibc: newest.join("."), libraries: [...new Set(needed)].filter((name) => !own.test(name)).sort() };
}
