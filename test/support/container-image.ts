// The container image as the packages' build leaves it, an OCI layout, and as Docker gets it from skopeo.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { run } from "../../lab/run.ts";
import { seconds } from "../../src/base/brand.ts";
import type { NeighbourHost } from "./neighbours.ts";
import { builtPackages } from "./packages.ts";

const LIMIT = seconds(120);

export interface ContainerImage {
  /** The layout's directory. */
  readonly path: string;
  /** Its tag. */
  readonly version: string;
}

export async function builtImage(signal: AbortSignal): Promise<ContainerImage> {
  const directory = dirname((await builtPackages(signal)).deb);
  const layout = readdirSync(directory).find((entry) => entry.endsWith(".oci")) ?? assert.fail("no image was built");
  return { path: join(directory, layout), version: /-(\d[^-]*)-/.exec(basename(layout))?.[1] ?? assert.fail(layout) };
}

/** As flanneld:VERSION, into the Docker that runs on the host. */
export async function loadByDocker(host: NeighbourHost, { path, version }: ContainerImage, signal: AbortSignal) {
  const archive = host.debian.path("/root/flanneld.tar");
  const to = `docker-archive:${archive}:flanneld:${version}`;
  await run(["skopeo", "copy", "--quiet", `oci:${path}:${version}`, to], { limit: LIMIT }, signal);
  await host.on("docker", "load", "--quiet", "--input=/root/flanneld.tar");
}
