// Compiles the npm package raw-socket, which comes as C++ for one version of Node each: plain `c++`, no node-gyp, as for
// our own addon. Usage: build-raw-socket.mjs [output file [directory of Node's headers]]; without arguments for the Node
// that runs this, to where the package looks for it. Does nothing when that is there already.
// Kernel: the package opens its socket without SOCK_CLOEXEC, so that iptables and nft would inherit a raw socket. Its call
// of socket() is led to one that sets it (raw-socket-cloexec.cc); the package itself stays as it is.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const PACKAGE = join(ROOT, "node_modules/raw-socket");
const PLACE = join(PACKAGE, "build/Release/raw.node");

const [output = PLACE, headers = findHeaders()] = process.argv.slice(2);

const FLAGS = [
  "-shared",
  "-fPIC",
  "-std=gnu++20",
  "-O2",
  // Of Node's and nan's headers.
  "-w",
  "-fvisibility=hidden",
  "-fstack-protector-strong",
  "-Wl,-z,relro,-z,now",
  "-Wl,--wrap=socket",
  // The package's macro keeps the name of the source, which must not depend on where this is built.
  `-ffile-prefix-map=${ROOT}/=`,
  "-DNODE_GYP_MODULE_NAME=raw",
  "-DBUILDING_NODE_EXTENSION",
];

/** Where an installed Node has its headers: beside its executable, or where Debian puts those of libnode-dev. */
function findHeaders() {
  const prefix = resolve(dirname(process.execPath), "..");
  const places = [join(prefix, "include/node"), "/usr/include/node", "/usr/include/nodejs/src"];
  const found = places.find((place) => existsSync(join(place, "node.h")));
  if (found) return found;
  process.stderr.write(`raw-socket was not built: Node's headers are in none of ${places.join(", ")}\n`);
  process.exit(1);
}

/** A binary serves one ABI of Node, and is made anew for another. */
const mark = `${process.versions.modules} ${JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")).version} ${FLAGS.join(" ")}\n`;
const stamp = `${PLACE}.made-for`;
const isForPackage = output === PLACE;
if (isForPackage && existsSync(PLACE) && existsSync(stamp) && readFileSync(stamp, "utf8") === mark) process.exit(0);

const temporary = `${output}.${process.pid}.tmp`;
mkdirSync(dirname(output), { recursive: true });
const compiler = process.env.CXX || "c++";
const sources = [join(PACKAGE, "src/raw.cc"), join(ROOT, "scripts/raw-socket-cloexec.cc")];
const includes = [`-I${headers}`, `-I${join(ROOT, "node_modules/nan")}`];
const result = spawnSync(compiler, [...FLAGS, ...includes, "-o", temporary, ...sources], {
  stdio: ["ignore", "inherit", "inherit"],
});
if (result.status !== 0) {
  rmSync(temporary, { force: true });
  const reason = result.error ? `cannot run ${compiler}: ${result.error.message}` : `${compiler} failed`;
  process.stderr.write(`raw-socket was not built: ${reason}\n`);
  process.exit(1);
}
renameSync(temporary, output);
if (isForPackage) writeFileSync(stamp, mark);
