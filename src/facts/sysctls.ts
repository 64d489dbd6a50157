// Kernel settings below /proc/sys, by their names in sysctl(8); of the network namespace of whoever reads.

import { readFile } from "node:fs/promises";

/** Without those that /proc/sys does not show. */
export async function readSysctls(names: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const read = names.map(async (name) => [name, await readFile(pathOf(name), "utf8").catch(() => null)] as const);
  const found = (await Promise.all(read)).flatMap(([name, text]) => (text === null ? [] : [[name, text.trim()]]));
  return Object.fromEntries(found);
}

/** sysctl(8): dots separate; those in the name of an interface are slashes. */
function pathOf(name: string): string {
  const path = name.replace(/[./]/g, (separator) => (separator === "." ? "/" : "."));
  return `/proc/sys/${path}`;
}
