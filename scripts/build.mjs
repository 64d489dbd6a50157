// npm run build: the native addon, the type check with the compiled modules for tests and demo, and the bundle that
// bin/flanneld runs. The three need nothing from each other. When no input has changed since the last build that
// worked, nothing is done and nothing is said. `--out DIR` builds elsewhere than into dist/.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { replaceFile } from "./replace-file.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MODULES = ["src", "test", "lab", "demo", "bench", "packaging", "soak"];
const INPUTS = [...MODULES, "scripts", "package.json", "package-lock.json", "tsconfig.json"];

/** Every file below the directories; paths are relative to `root`. */
function listFiles(root, names) {
  return names.flatMap((name) => {
    if (!existsSync(join(root, name))) return [];
    if (!statSync(join(root, name)).isDirectory()) return [name];
    return listFiles(
      root,
      readdirSync(join(root, name)).map((entry) => join(name, entry)),
    );
  });
}

/** Changes when an input changes, comes or goes. Times, not contents: this must cost next to nothing. */
function fingerprint() {
  const hash = createHash("sha256");
  for (const file of listFiles(ROOT, INPUTS).sort()) {
    const { mtimeMs, size } = statSync(join(ROOT, file));
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest("hex");
}

/** Compiled modules whose source is gone must go too: the test runner would still run them. */
function removeStale(out) {
  for (const file of listFiles(out, MODULES)) {
    const source = file.replace(/\.js(\.map)?$/, ".ts");
    if (source !== file && !existsSync(join(ROOT, source))) rmSync(join(out, file));
  }
}

function hasAllModules(out) {
  return listFiles(ROOT, MODULES)
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
    .every((file) => existsSync(join(out, file.replace(/\.ts$/, ".js"))));
}

async function compileModules(out) {
  const info = join(out, ".tsbuildinfo");
  const tsc = [join(ROOT, "node_modules/typescript/bin/tsc"), "--outDir", out, "--tsBuildInfoFile", info];
  removeStale(out);
  await execute("the type check", process.execPath, [...tsc, "--pretty", String(process.stdout.isTTY === true)]);
  if (hasAllModules(out)) return;
  // The compiler goes by its notes, and somebody has removed what they say is there.
  rmSync(info, { force: true });
  await execute("the type check", process.execPath, tsc);
}

/** Runs a tool from the repository's root; rejects with a sentence when it fails, after what it said. */
function execute(what, command, args) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    const said = [];
    child.stdout.on("data", (chunk) => said.push(chunk));
    child.stderr.on("data", (chunk) => said.push(chunk));
    child.on("error", fail);
    child.on("close", (status) => {
      if (status === 0) return done();
      process.stderr.write(Buffer.concat(said));
      fail(new Error(`${what} failed`));
    });
  });
}

/** Where the package itself looks for it, for what runs from modules, and beside the bundle. */
async function buildRawSocket(script, out) {
  await execute("the addon of raw-socket", process.execPath, [script]);
  replaceFile(join(ROOT, "node_modules/raw-socket/build/Release/raw.node"), join(out, "raw-socket.node"));
}

async function build(out) {
  const stamp = join(out, ".build-stamp");
  const built = ["flanneld.cjs", "flannel.node", "raw-socket.node", "demo/main.js"].every((name) =>
    existsSync(join(out, name)),
  );
  // Taken before the work, so that an edit made meanwhile is seen by the next build.
  const now = fingerprint();
  if (built && existsSync(stamp) && readFileSync(stamp, "utf8") === now) return;

  console.log("==> building");
  mkdirSync(out, { recursive: true });
  rmSync(stamp, { force: true });
  const script = (name) => join(ROOT, "scripts", name);
  const results = await Promise.allSettled([
    buildRawSocket(script("build-raw-socket.mjs"), out),
    execute("the native addon", process.execPath, [script("build-native.mjs"), join(out, "flannel.node")]),
    compileModules(out),
    execute("the bundle", process.execPath, [script("bundle.mjs"), out]),
  ]);
  const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason.message] : []));
  if (failures.length > 0) throw new Error(failures.join(", "));
  writeFileSync(stamp, now);
}

const { values } = parseArgs({ options: { out: { type: "string", default: join(ROOT, "dist") } } });
build(resolve(values.out)).catch((error) => {
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
});
