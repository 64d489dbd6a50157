// The daemon as one executable: Node.js, the bundle and its compiled code (decision 16). The native addon lies beside it.

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../lab/run.ts";
import { seconds } from "../src/base/brand.ts";
import type { Runtime } from "./runtime.ts";

/** Those of bin/flanneld. */
const FLAGS = ["--max-semi-space-size=4", "--v8-pool-size=1"];

/** Writes `flanneld` and `flannel.node` into the directory, from what the build has put into `dist`. */
export async function makeExecutable(
  runtime: Runtime,
  dist: string,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  mkdirSync(directory, { recursive: true });
  copyFileSync(join(dist, "flanneld.cjs"), join(directory, "flanneld.cjs"));
  await run(["strip", "-o", join(directory, "flannel.node"), join(dist, "flannel.node")], {}, signal);
  const config = {
    // Relative, because the name is a part of the compiled code.
    main: "flanneld.cjs",
    mainFormat: "commonjs",
    executable: runtime.executable,
    output: "flanneld",
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    useCodeCache: true,
    execArgv: FLAGS,
    // NODE_OPTIONS of whoever starts it must not change the daemon.
    execArgvExtension: "none",
  };
  writeFileSync(join(directory, "sea.json"), JSON.stringify(config));
  // Without a seed the hashes of names, which are a part of the compiled code, differ from run to run.
  const build = [runtime.executable, "--random-seed=1", "--build-sea", "sea.json"];
  await run(["env", "-C", directory, ...build], { limit: seconds(120) }, signal);
}
