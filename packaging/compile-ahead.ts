// Run by the Node.js that packages carry, as: node dist/packaging/compile-ahead.js SCRIPT CACHE. Writes V8's compiled code
// of the script, with every function that a start has called by the time of its first request to etcd.
// V8: what it gives right after it has compiled a script holds the outermost functions only; all others would be compiled
// at every start. What a function has been called for or how often is no part of it.

import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http2";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { Script } from "node:vm";

/** What src/main.ts exports. */
interface Exports {
  loadDaemon?: () => Promise<unknown>;
}

const [path = "", cache = ""] = process.argv.slice(2);
const script = new Script(readFileSync(path, "latin1"), { filename: "flanneld.cjs" });
const server = createServer().listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;

// A command asks etcd as the daemon does, and needs neither root nor the addon. Nobody answers it.
process.argv = [process.execPath, path, "leases", "--no-ttl", `--etcd-endpoints=http://127.0.0.1:${port}`];
const program: { readonly exports: Exports } = { exports: {} };
script.runInThisContext()(createRequire(import.meta.url), program, program.exports);
const [request] = await once(server, "stream");
await once(request, "end", request.resume());
await program.exports.loadDaemon?.();
writeFileSync(cache, script.createCachedData());
process.exit();
