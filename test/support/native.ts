// The native addon as tests load it: from FLANNELD_NATIVE, or from where the build puts it.

import { join, resolve } from "node:path";
import { loadNative, type NativeAddon } from "../../src/native/native.ts";

/** Compiled tests are in <output>/test/support, two levels below the output directory. */
const BUILT = join(resolve(import.meta.dirname, "../../.."), "dist/flannel.node");

export function openNative(): NativeAddon {
  return loadNative(resolve(process.env["FLANNELD_NATIVE"] ?? BUILT));
}
