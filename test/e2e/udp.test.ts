// The udp backend's device, socket and life on a host. Its packets are in udp-wire.test.ts and udp-traffic.test.ts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it, type TestContext } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { isAnswered } from "../../lab/ping.ts";
import { holdTun } from "../../lab/plain-tunnel.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { Json } from "../../src/base/json.ts";
import { UDP } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { LIMIT } from "../support/overlay-host.ts";
import { startTraffic } from "../support/traffic.ts";

const { signal } = new AbortController();
let cluster: Cluster;
let daemon: Flanneld;
let other: Flanneld;
let pods: readonly [Pod, Pod];

before(async () => {
  cluster = await openCluster(2, UDP.config, signal);
  [daemon, other] = (await cluster.startAll()) as [Flanneld, Flanneld];
  const made = [daemon, other].map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal));
  pods = (await Promise.all(made)) as [Pod, Pod];
  await reach();
});
after(async () => cluster?.[Symbol.asyncDispose]());

const shell = (line: string) => cluster.on(0, "sh", "-c", line);

/** Waits until the pods reach each other; how long that took. */
async function reach(): Promise<number> {
  const start = systemClock.monotonic();
  const [from, to] = pods;
  const look = () => isAnswered(from.namespace, to.address, signal);
  await waitFor("an answer to a ping", look, LIMIT, signal);
  return systemClock.monotonic() - start;
}

/** Takes the device and its name away. The daemon may have made it anew in between. */
const takeName = () =>
  shell("until ip link property add dev lo altname flannel0 2>/dev/null; do ip link del flannel0 2>/dev/null; done");

async function restart(config: Json = UDP.config): Promise<void> {
  if (daemon.running()) await daemon.stop(signal);
  await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(config));
  daemon = cluster.start(0);
  await daemon.ready(signal);
}

/** Time that the daemon has had a processor, in seconds. */
function processorTime(): number {
  const [, rest = ""] = /^\d+ \(.*\) (.*)$/s.exec(readFileSync(`/proc/${daemon.pid}/stat`, "utf8")) ?? [];
  const fields = rest.split(" ").map(Number);
  return ((fields[11] ?? 0) + (fields[12] ?? 0)) / 100;
}

/** Pings from pod to pod every 10 ms while something is done; how many answers were missing. */
async function lostDuring(what: () => Promise<void>): Promise<number> {
  const [from, to] = pods;
  const traffic = await startTraffic(from.namespace, to.address);
  await what();
  const { sent, lost } = await traffic.stop();
  assert.ok(lost.length < sent);
  return lost.length;
}

describe("a host with udp", () => {
  it("shows operators the socket, the device, its address and the one route that they know", async () => {
    const self = cluster.hosts[0]?.address ?? "";
    assert.match(await shell("ss -lun"), new RegExp(`${self.replaceAll(".", "\\.")}:8285 `));
    assert.match(await shell("ip -d link show flannel0"), /tun type tun pi off .*persist on/);
    assert.equal((await shell("ip route show dev flannel0")).trim(), "10.5.0.0/16 proto 70");
    assert.match(await shell("ip -4 addr show dev flannel0"), /inet 10\.5\.\d+\.0\/32 scope global flannel0/);
  });

  it("says in one line what is on and what is off", async () => {
    const line = await daemon.waitForLog(/packets are carried/, LIMIT, signal);
    assert.match(line, /INFO .*dev=flannel0 .*on="?[\w,]*VnetHeader.* off=/);
  });

  it("follows Port, MTU and BufferSize of the config", async () => {
    await restart({ ...UDP.config, Backend: { Type: "udp", Port: 9999, MTU: 1400, BufferSize: 300_000 } });
    // Kernel: it doubles what is asked for.
    assert.match(await shell("ss -lunm | grep -A1 :9999"), /rb600000,.*tb600000,/);
    assert.match(await shell("ip link show flannel0"), / mtu 1372 /);
    assert.match(readFileSync(daemon.subnetFile, "utf8"), /^FLANNEL_MTU=1372$/m);
    await restart();
    await reach();
  });
});

describe("the device of udp", () => {
  it("is found again after kill -9, and no packet is lost for longer than the restart takes", async (t: TestContext) => {
    const index = await shell("ip -o link show flannel0 | cut -d: -f1");
    let milliseconds = 0;
    const lost = await lostDuring(async () => {
      const start = systemClock.monotonic();
      await daemon.kill(signal);
      daemon = cluster.start(0);
      await daemon.waitForLog(/packets are carried/, LIMIT, signal);
      milliseconds = systemClock.monotonic() - start;
      await reach();
    });
    t.diagnostic(`${lost} pings lost, one every 10 ms; the restart took ${Math.round(milliseconds)} ms`);
    assert.equal(await shell("ip -o link show flannel0 | cut -d: -f1"), index, "the same device");
    assert.ok(lost * 10 < milliseconds + 1000, `${lost} lost in ${milliseconds} ms`);
    assert.ok(milliseconds < 15_000);
    await daemon.ready(signal);
  });

  for (const [what, command] of [
    ["deleted", "ip link del flannel0"],
    ["set down", "ip link set flannel0 down"],
  ] as const) {
    it(`that is ${what} carries packets again within seconds, each time`, async (t: TestContext) => {
      for (let round = 0; round < 3; round++) {
        await shell(command);
        const took = Math.round(await reach());
        t.diagnostic(`round ${round}: ${took} ms`);
        assert.ok(took < 3000, `round ${round}: ${took} ms`);
      }
    });
  }

  it("that cannot be made anew costs no processor time, and is back when it can", async () => {
    const ends = () => daemon.log().match(/packets are no longer carried/g)?.length ?? 0;
    const before = ends();
    await takeName();
    await waitFor("the end of the packets", () => ends() > before || null, LIMIT, signal);
    const start = processorTime();
    const until = systemClock.monotonic() + 2000;
    await waitFor("two seconds", () => (systemClock.monotonic() > until ? true : null), seconds(5), signal);
    const used = processorTime() - start;
    await shell("ip link property del dev lo altname flannel0");
    assert.ok(used < 0.6, `${used} s in two seconds`);
    await waitFor(
      "the device",
      async () => ((await shell("ip link")).includes("flannel0") ? true : null),
      LIMIT,
      signal,
    );
    await reach();
  });

  it("of somebody else in its place is left alone and reported, and ours is back when that has gone", async () => {
    await shell("ip link del flannel0 && ip link add flannel0 type bridge && ip addr add 10.9.9.9/24 dev flannel0");
    await daemon.waitForLog(/link flannel0 stands in the place of link flannel0/, LIMIT, signal);
    assert.match(await shell("ip -4 addr show dev flannel0"), /10\.9\.9\.9/);
    await shell("ip link del flannel0");
    await reach();
  });

  it("takes the next name when somebody else has flannel0, and keeps it when that is free again", async () => {
    await daemon.stop(signal);
    await shell("ip link del flannel0");
    const { namespace } = cluster.hosts[0] ?? assert.fail();
    const stranger = await holdTun(namespace, "flannel0", signal);
    try {
      await restart();
      assert.match(await shell("ip -d -o link show type tun"), /flannel1: .*persist on/);
      assert.match(await shell("ip route show 10.5.0.0/16"), /dev flannel1 /);
      await reach();
      assert.match(await shell("ip -d link show flannel0"), /persist off/);
    } finally {
      await stranger[Symbol.asyncDispose]();
    }
    await restart();
    await reach();
    assert.match(await shell("ip route show 10.5.0.0/16"), /dev flannel1 /);
    await daemon.stop(signal);
    await shell("ip link del flannel1");
    await restart();
    await reach();
  });
});

describe("SIGUSR1", () => {
  it("has the daemon log what it has carried and dropped, and go on", async () => {
    process.kill(daemon.pid, "SIGUSR1");
    for (const line of [
      /INFO .*kernel state passes=\d+ ops=\d+ repaired=\d+/,
      /INFO .*sent to peers packets=\d+ bytes=\d+ messages=\d+ calls=\d+ packetsPerCall=[\d.]+ reads=\d+ segmented=\d+/,
      /INFO .*received from peers packets=\d+ .*writes=\d+ coalesced=\d+/,
      /INFO .*dropped noRoute=\d+ ttlExceeded=\d+ .*noPeer=\d+ wrongSource=\d+ writeFailed=\d+/,
      /INFO .*answered and given up icmpSent=\d+ icmpLimited=\d+ fallbacks=\d+/,
    ]) {
      await daemon.waitForLog(line, LIMIT, signal);
    }
    await reach();
    assert.ok(daemon.running());
  });
});
