// npm run package: the .deb, the .rpm and the container image into build/packages, from what the build has put into dist.

import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "../src/base/errors.ts";
import { makeDeb } from "./deb.ts";
import { NOBODY, parseMaintainer, readEdition } from "./edition.ts";
import { makeExecutable } from "./executable.ts";
import { makeImage } from "./oci.ts";
import { makeRpm } from "./rpm.ts";
import { architectureOf, fetchRuntime } from "./runtime.ts";

/** This file runs from dist/packaging. */
const ROOT = join(import.meta.dirname, "../..");
const HELP = `npm run package -- [--out DIR] [--arch ARCH] [--cache DIR] [--maintainer "NAME <ADDRESS>"]

Makes flanneld_VERSION_ARCH.deb and flanneld-VERSION.ARCH.rpm, which need no Node.js on the host, and the container image
flanneld-VERSION-ARCH.oci as an OCI layout. The same commit gives the same bytes; the image's first layer is Debian's of
the day.
  --out         where they go; default build/packages
  --arch        amd64 or arm64; default, and the only one that can be built: this machine's
  --cache       where the Node.js is kept that they carry; default build/cache
  --maintainer  who answers for these packages to those who install them; default "${NOBODY}"`;

async function main(signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: "string", default: join(ROOT, "build/packages") },
      cache: { type: "string", default: join(ROOT, "build/cache") },
      arch: { type: "string", default: process.arch },
      maintainer: { type: "string", default: NOBODY },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const output = resolve(values.out);
  const architecture = architectureOf(values.arch, process.arch);
  const maintainer = parseMaintainer(values.maintainer);
  const edition = await readEdition(ROOT, signal);
  console.log("==> the Node.js that the packages carry");
  const runtime = await fetchRuntime(architecture, resolve(values.cache), signal);
  const program = join(output, ".program");
  mkdirSync(output, { recursive: true });
  try {
    console.log("==> the program");
    await makeExecutable(runtime, join(ROOT, "dist"), program, signal);
    const sources = { root: ROOT, program, runtime, edition, maintainer };
    for (const make of [makeRpm, makeDeb, makeImage]) {
      const file = await make(sources, architecture, output, signal);
      console.log(`${relative(process.cwd(), file)}  ${(bytesIn(file) / 1e6).toFixed(1)} MB`);
    }
  } finally {
    for (const name of [".program", ".deb", ".rpm", ".oci"])
      rmSync(join(output, name), { recursive: true, force: true });
  }
}

/** Of a file, or of all files of a directory. */
function bytesIn(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0);
}

const controller = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => controller.abort(new Error(`stopped by ${name}`)));
}
await main(controller.signal).catch((error: unknown) => {
  console.error(`package: ${messageOf(error)}`);
  process.exitCode = 1;
});
