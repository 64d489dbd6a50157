// Where the control socket of a daemon is, and which files may be one. Pure.

import { basename, dirname, join } from "node:path";

/** Where commands look when they are not told. */
export const CONTROL_DIRECTORY = "/run/flannel";

/** What the flag says instead of a path when no socket is wanted. */
const NO_SOCKET = "none";

/**
 * Beside the subnet file, of which every network on a host has its own: /run/flannel/flanneld.sock by default, and
 * flanneld-blue.sock beside blue.env. Null for none.
 */
export function controlSocketPath(flag: string | null, subnetFile: string): string | null {
  if (flag !== null) return flag === NO_SOCKET ? null : flag;
  const name = basename(subnetFile).replace(/\.env$/, "");
  return join(dirname(subnetFile), name === "subnet" ? "flanneld.sock" : `flanneld-${name}.sock`);
}

export function isControlSocketName(name: string): boolean {
  return /^flanneld(-.+)?\.sock$/.test(name);
}

/** Kernel: sun_path has 108 bytes, the zero at its end included. */
const LONGEST_PATH = 107;

export function isTooLong(path: string): boolean {
  return Buffer.byteLength(path) > LONGEST_PATH;
}
