// The state directory in memory.

import type { StateDirectory } from "../../src/state-directory.ts";

export function createFakeState(): StateDirectory & { readonly files: Map<string, string> } {
  const files = new Map<string, string>();
  return {
    files,
    path: "/var/lib/flannel",
    read: async (name) => files.get(name) ?? null,
    write: async (name, text) => void files.set(name, text),
  };
}
