// The Node.js that packages carry: pinned here, fetched once from the npm registry, checked, stripped, and kept in
// build/cache. Hosts need no Node.js of their own.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../lab/run.ts";
import { seconds } from "../src/base/brand.ts";

/** The long-term release, as the npm packages node-linux-ARCH have it. */
const VERSION = "26.10.0";

export interface Architecture {
  /** As Node.js calls it: process.arch. */
  readonly node: "x64" | "arm64";
  readonly deb: string;
  readonly rpm: string;
  readonly oci: string;
  readonly integrity: string;
}

const ARCHITECTURES: readonly Architecture[] = [
  {
    node: "x64",
    deb: "amd64",
    rpm: "x86_64",
    oci: "amd64",
    integrity: "OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==",
  },
  {
    node: "arm64",
    deb: "arm64",
    rpm: "aarch64",
    oci: "arm64",
    integrity: "idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==",
  },
];

export interface Runtime {
  readonly version: string;
  readonly executable: string;
  /** For what is compiled for this version. */
  readonly headers: string;
  readonly license: string;
}

/** By the name that Debian has for it. Throws a sentence when this machine cannot build for it. */
export function architectureOf(name: string, machine: string): Architecture {
  const found = ARCHITECTURES.find(({ node, deb, rpm }) => [node, deb, rpm].includes(name));
  if (!found) throw new Error(`--arch ${name}: must be one of ${ARCHITECTURES.map(({ deb }) => deb).join(", ")}`);
  if (found.node === machine) return found;
  const here = ARCHITECTURES.find(({ node }) => node === machine)?.deb ?? machine;
  throw new Error(
    `packages for ${found.deb} are built on a machine of that architecture (this is ${here}): the addon needs its C compiler, ` +
      "and the compiled JavaScript its processor; run the same command there",
  );
}

export async function fetchRuntime(
  { node, integrity }: Architecture,
  cache: string,
  signal: AbortSignal,
): Promise<Runtime> {
  const directory = join(cache, `node-${VERSION}-${node}-with-headers`);
  if (!existsSync(directory)) {
    mkdirSync(cache, { recursive: true });
    const temporary = mkdtempSync(join(cache, ".node-"));
    try {
      await unpack(`node-linux-${node}`, integrity, temporary, signal);
      renameSync(join(temporary, "runtime"), directory);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  }
  const place = (name: string) => join(directory, name);
  return { version: VERSION, executable: place("node"), headers: place("include/node"), license: place("LICENSE") };
}

async function unpack(name: string, integrity: string, temporary: string, signal: AbortSignal): Promise<void> {
  const limit = seconds(300);
  const pack = ["npm", "pack", "--silent", "--pack-destination", temporary, `${name}@${VERSION}`];
  await run(pack, { limit }, signal);
  const archive = join(temporary, `${name}-${VERSION}.tgz`);
  const found = createHash("sha512").update(readFileSync(archive)).digest("base64");
  if (found !== integrity) throw new Error(`${name}@${VERSION} is not what is pinned: its sha512 is ${found}`);
  const target = join(temporary, "runtime");
  mkdirSync(target);
  const members = ["package/bin/node", "package/LICENSE", "package/include"];
  await run(["tar", "-xzf", archive, "-C", temporary, ...members], { limit }, signal);
  // The compiler's name would end up as garbage: making the executable moves its section without its content.
  await run(
    ["strip", "--remove-section=.comment", "-o", join(target, "node"), join(temporary, members[0] ?? "")],
    { limit },
    signal,
  );
  for (const name of ["LICENSE", "include"]) renameSync(join(temporary, "package", name), join(target, name));
}
