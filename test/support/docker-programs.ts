// Docker's programs of Debian 13, as files that are run where no Docker is installed, or an older one.

import { join } from "node:path";
import { unpackDebian } from "../../lab/debian-files.ts";
import { CACHE } from "./packages.ts";

export const DOCKER = join(CACHE, "docker-trixie");
const PROGRAMS = { release: "trixie", packages: ["base-files", "docker.io", "docker-compose"] };

/** Puts them below DOCKER. */
export function unpackDocker(signal: AbortSignal): Promise<void> {
  return unpackDebian(PROGRAMS, DOCKER, signal);
}
