// The daemon as one executable: Node.js, the bundle and its compiled code (decision 16). The native addon lies beside it.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../lab/run.ts";
import { seconds } from "../src/base/brand.ts";
import type { Runtime } from "./runtime.ts";

/** Those of bin/flanneld. */
const FLAGS = ["--max-semi-space-size=4", "--v8-pool-size=1"];

/** Node compiles the main script of an executable with less compiled code than there is: see compile-ahead.ts. */
const MAIN = `"use strict";
const { getRawAsset } = require("node:sea");
const { Script } = require("node:vm");
const read = (name) => Buffer.from(getRawAsset(name));
const options = { filename: "flanneld.cjs", cachedData: read("cache") };
new Script(read("script").latin1Slice(), options).runInThisContext()(require, module, exports);
`;

/** Ends with 1 when V8 would compile everything again. */
const CHECK = `const { readFileSync } = require("node:fs");
const options = { filename: "flanneld.cjs", cachedData: readFileSync("cache") };
const { cachedDataRejected } = new (require("node:vm").Script)(readFileSync("script", "latin1"), options);
process.exitCode = cachedDataRejected ? 1 : 0;`;

/** Writes `flanneld`, `flannel.node` and `raw-socket.node` into the directory, from what the build has put into `dist`. */
export async function makeExecutable(
  runtime: Runtime,
  dist: string,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const execute = (...words: readonly string[]) =>
    run(["env", "-i", "-C", directory, runtime.executable, ...words], { limit: seconds(120) }, signal);
  await run(["strip", "-o", join(directory, "flannel.node"), join(dist, "flannel.node")], {}, signal);
  await makeRawSocket(runtime, directory, signal);
  // The bundle is ASCII, as esbuild writes it.
  const bundle = readFileSync(join(dist, "flanneld.cjs"), "latin1");
  writeFileSync(join(directory, "script"), `(function(require,module,exports){${bundle}\n})`, "latin1");
  writeFileSync(join(directory, "main.cjs"), MAIN);
  // Without a seed the hashes of names, which are a part of the compiled code, differ from run to run.
  await execute("--random-seed=1", ...FLAGS, join(dist, "packaging/compile-ahead.js"), "script", "cache");
  await execute(...FLAGS, "-e", CHECK);
  const config = {
    main: "main.cjs",
    mainFormat: "commonjs",
    executable: runtime.executable,
    output: "flanneld",
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    useCodeCache: false,
    assets: { script: "script", cache: "cache" },
    execArgv: FLAGS,
    // NODE_OPTIONS of whoever starts it must not change the daemon.
    execArgvExtension: "none",
  };
  writeFileSync(join(directory, "sea.json"), JSON.stringify(config));
  await execute("--build-sea", "sea.json");
}

/** This file runs from dist/packaging. */
const BUILD_RAW_SOCKET = join(import.meta.dirname, "../../scripts/build-raw-socket.mjs");

/** It is made for one version of Node: that of the packages is not the one that builds them. */
async function makeRawSocket({ headers }: Runtime, directory: string, signal: AbortSignal): Promise<void> {
  const addon = join(directory, "raw-socket.node");
  const whole = `${addon}.whole`;
  await run([process.execPath, BUILD_RAW_SOCKET, whole, headers], { limit: seconds(300) }, signal);
  await run(["strip", "-o", addon, whole], {}, signal);
  rmSync(whole);
}
