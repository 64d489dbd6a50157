// npm run bench:package: what the packaged daemon costs, from the .deb in build/packages. The limits are the project's
// promises; a figure beyond one makes the exit status 1.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startEtcd } from "../lab/etcd.ts";
import { startFlanneld } from "../lab/flanneld.ts";
import { run } from "../lab/run.ts";
import { inNamespace, openTopology } from "../lab/topology.ts";
import { seconds } from "../src/base/brand.ts";
import { systemClock } from "../src/base/clock.ts";
import { timeBeside } from "./command-time.ts";

const { values: flags } = parseArgs({
  options: { starts: { type: "string", default: "21" }, json: { type: "boolean", default: false } },
});
const STARTS = Number(flags.starts);
const PACKAGES = join(import.meta.dirname, "../../build/packages");

interface Figure {
  readonly what: string;
  readonly measured: number;
  readonly limit: number;
  readonly unit: string;
}

/** From exec until the first octets arrive where etcd would be. */
async function firstRequests(program: string): Promise<readonly number[]> {
  let arrived = () => {};
  const server = createServer((socket: Socket) => {
    socket.on("error", () => {});
    socket.once("data", () => arrived());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  const times: number[] = [];
  for (let start = 0; start < STARTS; start++) {
    const began = systemClock.monotonic();
    const env = { ...process.env, MALLOC_ARENA_MAX: "1" };
    const child = spawn(program, [`--etcd-endpoints=http://127.0.0.1:${port}`], { stdio: "ignore", env });
    await new Promise<void>((resolve) => {
      arrived = resolve;
    });
    times.push(systemClock.monotonic() - began);
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
  }
  server.close();
  return times.sort((a, b) => a - b);
}

interface Running {
  /** MiB of anonymous memory half a minute after it is ready, when the start's garbage has been collected. */
  readonly memory: number;
  /** How much longer than a Node.js that does nothing `flanneld status` takes, in ms. */
  readonly status: number;
}

async function measureRunning(program: string, signal: AbortSignal): Promise<Running> {
  await using topology = await openTopology({ hosts: 1 }, signal);
  const [host] = topology.hosts;
  if (!host) throw new Error("the lab has no host");
  const { namespace, address } = topology.etcd;
  await using _etcd = await startEtcd({ namespace, address }, signal);
  const endpoint = `http://${address}:2379`;
  const config = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';
  const put = [
    "env",
    "ETCDCTL_API=3",
    "etcdctl",
    `--endpoints=${endpoint}`,
    "put",
    "/coreos.com/network/config",
    config,
  ];
  await run(inNamespace(namespace, put), {}, signal);
  const environment = { MALLOC_ARENA_MAX: "1" };
  await using daemon = startFlanneld(host, { etcdEndpoints: [endpoint], program, environment });
  await daemon.ready(signal);
  await systemClock.sleep(seconds(30), signal);
  const status = readFileSync(`/proc/${daemon.pid}/status`, "utf8");
  const ask = [program, "status", `--socket=${join(host.directory, "flanneld.sock")}`];
  const { command, control } = await timeBeside(ask, [process.execPath, "-e", "0"], STARTS, signal);
  return { memory: Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1]) / 1024, status: command - control };
}

async function measureAll(signal: AbortSignal): Promise<readonly Figure[]> {
  const packages = existsSync(PACKAGES) ? readdirSync(PACKAGES).filter((name) => /\.(deb|rpm)$/.test(name)) : [];
  const deb = packages.find((name) => name.endsWith(".deb"));
  if (deb === undefined) throw new Error("there is no package in build/packages: run npm run package first");
  const root = mkdtempSync(join(tmpdir(), "flanneld-bench-"));
  try {
    await run(["dpkg-deb", "-x", join(PACKAGES, deb), root], { limit: seconds(120) }, signal);
    const program = join(root, "usr/bin/flanneld");
    const times = await firstRequests(program);
    const { memory, status } = await measureRunning(program, signal);
    return [
      ...packages.map((name) => ({
        what: name,
        measured: statSync(join(PACKAGES, name)).size / 1e6,
        limit: 60,
        unit: "MB",
      })),
      { what: "exec to first etcd request (median)", measured: times[STARTS >> 1] ?? 0, limit: 150, unit: "ms" },
      { what: "RssAnon when idle", measured: memory, limit: 30, unit: "MiB" },
      { what: "flanneld status, beyond node -e 0", measured: status, limit: 100, unit: "ms" },
    ];
  } finally {
    rmSync(root, { recursive: true });
  }
}

const controller = new AbortController();
process.once("SIGINT", () => controller.abort(new Error("interrupted")));
const figures = await measureAll(controller.signal);
if (flags.json) console.log(JSON.stringify(figures, null, 2));
for (const { what, measured, limit, unit } of flags.json ? [] : figures) {
  const verdict = measured > limit ? "  TOO MUCH" : "";
  console.log(`${what.padEnd(40)} ${measured.toFixed(1).padStart(8)} ${unit.padEnd(4)} at most ${limit}${verdict}`);
}
if (figures.some(({ measured, limit }) => !(measured <= limit))) process.exitCode = 1;
