// Compiles the C files below src/native into one Node-API addon. Plain `cc`, no node-gyp: the headers come with node-api-headers, and
// a Node-API 8 binary runs on every Node from 16 on. Usage: build-native.mjs [output file]; does nothing when the output
// is newer than everything that it is made of. CC chooses the compiler, CFLAGS adds flags (sanitizers, for example).

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const sources = join(root, "src/native");
const headers = join(root, "node_modules/node-api-headers/include");
const output = resolve(process.argv[2] ?? join(root, "dist/flannel.node"));

const FLAGS = [
  "-shared",
  "-fPIC",
  "-pthread",
  "-std=gnu11",
  "-O2",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-fvisibility=hidden",
  "-fstack-protector-strong",
  "-Wl,-z,relro,-z,now",
  "-DNAPI_VERSION=8",
  "-D_GNU_SOURCE",
];

/** Milliseconds since the epoch; 0 when there is no such file. */
function changedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function compile(files) {
  const temporary = `${output}.${process.pid}.tmp`;
  const compiler = process.env.CC || "cc";
  const extra = process.env.CFLAGS?.split(/\s+/).filter(Boolean) ?? [];
  mkdirSync(dirname(output), { recursive: true });
  const result = spawnSync(compiler, [...FLAGS, ...extra, `-I${headers}`, "-o", temporary, ...files], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (result.status === 0) {
    renameSync(temporary, output);
    return true;
  }
  rmSync(temporary, { force: true });
  const reason = result.error ? `cannot run ${compiler}: ${result.error.message}` : `${compiler} failed`;
  process.stderr.write(`the native addon was not built: ${reason}\n`);
  return false;
}

const names = readdirSync(sources, { recursive: true }).filter((name) => /\.[ch]$/.test(name));
const inputs = [...names.map((name) => join(sources, name)), fileURLToPath(import.meta.url), headers];
if (inputs.every((input) => changedAt(input) < changedAt(output))) process.exit(0);
process.exit(compile(names.filter((name) => name.endsWith(".c")).map((name) => join(sources, name))) ? 0 : 1);
