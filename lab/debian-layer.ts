// More of Debian's packages for machines of the lab than all of them have: a layer of files on their root, made once.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { seconds } from "../src/base/brand.ts";
import { run } from "./run.ts";

export interface DebianLayer {
  readonly packages: readonly string[];
  /** Services that the packages enable; here a boot starts none of them. */
  readonly services: readonly string[];
}

/** Another for other packages or services, and for a root that was made again: the layer has changed copies of its files. */
export function layerName(base: string, { packages, services }: DebianLayer): string {
  const { ino, birthtimeMs } = statSync(base);
  const identity = JSON.stringify([base, ino, birthtimeMs, packages, services]);
  return `debian-layer-${createHash("sha256").update(identity).digest("hex").slice(0, 16)}`;
}

/**
 * Makes the layer in the cache; nothing when it is there. Resolves to the root to give to `createDebian`. No service is
 * started: apt runs where there is no init.
 */
export async function prepareLayer(
  base: string,
  layer: DebianLayer,
  cache: string,
  signal: AbortSignal,
): Promise<string> {
  const { packages, services } = layer;
  const directory = join(cache, layerName(base, layer));
  const layered = `${directory}:${base}`;
  if (existsSync(directory)) return layered;
  const temporary = `${directory}.${process.pid}`;
  const [upper, work, root] = ["upper", "work", "root"].map((name) => `${temporary}/${name}`) as [
    string,
    string,
    string,
  ];
  for (const made of [upper, work, root]) mkdirSync(made, { recursive: true });
  // A mount namespace of the command's own, so that the mounts go with it, whatever happens.
  const script = `
    set -e
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
    mount -t proc proc "$4/proc"
    cat /etc/resolv.conf >"$4/etc/resolv.conf"
    export DEBIAN_FRONTEND=noninteractive
    chroot "$4" apt-get -q update
    chroot "$4" apt-get -q -y -o DPkg::Options::=--force-unsafe-io --no-install-recommends install ${packages.join(" ")}
    chroot "$4" apt-get clean
    chroot "$4" systemctl disable ${services.join(" ")}`;
  const command = ["unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh", base, upper, work, root];
  try {
    await run(command, { limit: seconds(600) }, signal);
    renameSync(upper, directory);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return layered;
}
