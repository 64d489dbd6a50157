// Somebody holds the other end of the daemon's standard error and does not read: a journal that hangs, a container's log
// driver that is stalled, a pager. Nothing of the daemon's work waits for him.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { LAUNCHER } from "../../lab/flanneld.ts";
import { toolEnvironment } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { controlClient } from "../../src/control/client.ts";
import type { DaemonStatus } from "../../src/status/snapshot.ts";
import { type Peer, VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";
import { createOverlayHost, LIMIT, type OverlayHost } from "../support/overlay-host.ts";
import { openStalledPipe, openStalledSocket, type StalledReader } from "../support/stalled-reader.ts";

const { signal } = new AbortController();
const PEER: Peer = { base: "10.5.201.0", ip: "192.168.77.201", mac: "02:00:00:00:03:01" };
/** More lines than a daemon keeps for its reader. */
const FLOOD = 12_000;

let cluster: Cluster;
let host: OverlayHost;

before(async () => {
  cluster = await openCluster(1, VXLAN.config, signal);
  host = createOverlayHost(cluster, VXLAN, signal);
});
after(async () => cluster?.[Symbol.asyncDispose]());

function start(stderr: number): ChildProcess & AsyncDisposable {
  const [machine] = cluster.hosts;
  assert.ok(machine);
  const files = [`--subnet-file=${join(machine.directory, "subnet.env")}`, `--state-dir=${machine.directory}/state`];
  const flags = [`--etcd-endpoints=${cluster.endpoint}`, "--iface=eth0", `--control-socket=${socket()}`, ...files];
  const [program = "", ...args] = inNamespace(machine.namespace, [LAUNCHER, ...flags, "--log-format=json"]);
  const child = spawn(program, args, { stdio: ["ignore", "ignore", stderr], env: toolEnvironment() });
  const ended = once(child, "exit");
  const dispose = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return Object.assign(child, { [Symbol.asyncDispose]: dispose });
}

const socket = () => join(cluster.hosts[0]?.directory ?? "", "flanneld.sock");

async function status(): Promise<DaemonStatus | null> {
  const asked = controlClient.ask(socket(), { method: "GET", url: "/status" }, AbortSignal.timeout(5000));
  return (await asked.catch(() => null)) as DaemonStatus | null;
}

const becomesReady = () => {
  const look = async () => ((await status())?.state === "not ready" ? null : status());
  return waitFor("a daemon that is ready", look, LIMIT, signal);
};

/** SIGUSR1 has it report, in some lines each time. Kernel: a signal that is still pending is none. */
async function flood(daemon: ChildProcess): Promise<void> {
  const look = async () => {
    for (let count = 0; count < 200; count += 1) {
      daemon.kill("SIGUSR1");
      await new Promise((resolve) => setImmediate(resolve));
    }
    return ((await status())?.events.recorded ?? 0) > FLOOD ? true : null;
  };
  await waitFor(`${FLOOD} lines in the log`, look, seconds(120), signal);
}

const KINDS: readonly (readonly [string, () => StalledReader | Promise<StalledReader>])[] = [
  ["a pipe", openStalledPipe],
  ["a socket", openStalledSocket],
];

describe("a daemon whose log nobody reads", () => {
  for (const [kind, open] of KINDS) {
    it(`starts, follows and ends all the same, and loses no line that it could keep: ${kind}`, async () => {
      using reader = await open();
      await using daemon = start(reader.descriptor);
      await becomesReady();
      await host.putPeer(PEER);
      await host.shows(VXLAN.peerLines(PEER));
      await flood(daemon);
      await host.deletePeer(PEER);
      const lines = () =>
        reader
          .text()
          .split("\n")
          .slice(0, -1)
          .map((line) => JSON.parse(line));
      reader.read();
      const told = () => lines().find(({ msg }) => /^lines are missing here/.test(msg)) ?? null;
      const { level, count } = await waitFor("the line that says how many are missing", told, LIMIT, signal);
      assert.equal(level, "warn");
      assert.ok(count > 0);
      daemon.kill("SIGTERM");
      await once(daemon, "exit");
      const ended = () => (/stopped; the kernel's state/.test(lines().at(-1)?.msg) ? lines() : null);
      const all = await waitFor("the last line", ended, LIMIT, signal);
      assert.equal(all[0]?.msg, "starting flanneld");
      const times = all.map(({ time }) => time);
      assert.deepEqual(times, times.toSorted());
    });
  }

  it("says so where it can, and ends soon although there are lines left", async () => {
    using reader = openStalledPipe();
    await using daemon = start(reader.descriptor);
    await becomesReady();
    const told = async () => (await status())?.degraded.find(({ name }) => name === "log")?.reason ?? null;
    assert.match(await waitFor("what is told of the log", told, seconds(60), signal), /^nobody reads the log/);
    daemon.kill("SIGTERM");
    assert.deepEqual(await once(daemon, "exit"), [0, null]);
    assert.equal(reader.text(), "");
  });
});
