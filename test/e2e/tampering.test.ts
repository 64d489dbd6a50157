// Single things that somebody changes on a host with vxlan, everything at once, and changes of which the kernel could not
// tell us. What a whole device is done to is in faults.test.ts.

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import type { Flanneld } from "../../lab/flanneld.ts";
import { attempt } from "../../lab/run.ts";
import { inNamespace, ipBatch } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { childSignal } from "../../src/base/signals.ts";
import { type Peer, VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";
import { createOverlayHost, LIMIT, type OverlayHost } from "../support/overlay-host.ts";
import { openRawPeer } from "../support/raw-peer.ts";

const { signal } = new AbortController();
const PEERS: readonly Peer[] = [201, 202, 203].map((number) => ({
  base: `10.5.${number}.0`,
  ip: `192.168.77.${number}`,
  mac: `02:00:00:00:03:${number.toString(16)}`,
}));
const [FIRST] = PEERS as [Peer];
let cluster: Cluster;
let host: OverlayHost;
let daemon: Flanneld;

before(async () => {
  cluster = await openCluster(1, VXLAN.config, signal);
  daemon = cluster.start(0, { flags: ["--stale-peer-grace=0", "--healthz-port=8081"] });
  await daemon.ready(signal);
  host = createOverlayHost(cluster, VXLAN, signal);
  for (const peer of PEERS) await host.putPeer(peer);
  await host.shows(PEERS.flatMap(VXLAN.peerLines));
});
after(async () => cluster?.[Symbol.asyncDispose]());

/** The kernel does not list forwarding entries in the order in which they were made. */
const inOrder = (state: string) => state.split("\n").toSorted().join("\n");

async function becomes(before: string): Promise<number> {
  const start = systemClock.monotonic();
  let now = "";
  const look = async () => {
    now = inOrder(await host.state().catch(() => ""));
    return now === inOrder(before) ? true : null;
  };
  await waitFor("the former state", look, LIMIT, signal).catch(() => assert.equal(now, inOrder(before)));
  return Math.round(systemClock.monotonic() - start);
}

/** Nobody types faster; who undoes what was repaired within less is taken for a program. */
async function breathe(): Promise<void> {
  const until = systemClock.monotonic() + 1000;
  await waitFor("a second", () => (systemClock.monotonic() > until ? true : null), LIMIT, signal);
}

async function heals(t: TestContext, command: string): Promise<void> {
  await breathe();
  const before = await host.state();
  await host.shell(command);
  t.diagnostic(`${await becomes(before)} ms`);
}

describe("a host with vxlan on which somebody", () => {
  const entry = `dev flannel.1`;
  for (const [what, command] of [
    ["deletes the device: it comes back with the same MAC and all peers", "ip link del flannel.1"],
    ["deletes one route", `ip route del ${FIRST.base}/24 ${entry}`],
    ["points one route elsewhere", `ip route replace ${FIRST.base}/24 via 192.168.77.99 dev eth0`],
    ["gives one route another gateway", `ip route replace ${FIRST.base}/24 via 10.5.202.0 ${entry} onlink proto 70`],
    ["lets one route lead nowhere", `ip route replace blackhole ${FIRST.base}/24`],
    ["points one route through another interface", `ip route replace ${FIRST.base}/24 dev lo`],
    ["gives one route an MTU", `ip route replace ${FIRST.base}/24 via ${FIRST.base} ${entry} onlink proto 70 mtu 600`],
    ["deletes one neighbour", `ip neigh del ${FIRST.base} ${entry}`],
    [
      "gives one neighbour another MAC",
      `ip neigh replace ${FIRST.base} lladdr 02:00:00:00:09:09 ${entry} nud permanent`,
    ],
    ["deletes one FDB entry", `bridge fdb del ${FIRST.mac} ${entry} dst ${FIRST.ip}`],
    ["sends one MAC elsewhere", `bridge fdb replace ${FIRST.mac} ${entry} dst 192.168.77.99 self permanent`],
    ["sends one MAC to another port", `bridge fdb replace ${FIRST.mac} ${entry} dst ${FIRST.ip} port 9 self permanent`],
    ["gives the device another name", "ip link set flannel.1 name gone0"],
    ["puts the device into a bridge", "ip link add foreign0 type bridge && ip link set flannel.1 master foreign0"],
    [
      "adds a route, a neighbour and an FDB entry of nobody",
      [
        `ip route add 10.5.250.0/24 via 10.5.250.0 ${entry} onlink`,
        `ip neigh add 10.5.250.0 lladdr 02:00:00:00:09:0a ${entry} nud permanent`,
        `bridge fdb append 02:00:00:00:09:0a ${entry} dst 192.168.77.98 self permanent`,
      ].join(" && "),
    ],
    ["changes the MAC of the device", "ip link set flannel.1 address 02:00:00:00:09:0b"],
    [
      "flushes everything",
      [
        "ip route flush proto 70",
        "ip neigh flush dev flannel.1 nud permanent",
        "ip addr flush dev flannel.1",
        `for mac in $(bridge fdb show dev flannel.1 | cut -d" " -f1); do bridge fdb del $mac dev flannel.1; done`,
      ].join(" && "),
    ],
  ] as const) {
    it(what, async (t) => heals(t, command));
  }

  it("changes something while so much happens that the kernel cannot tell us: everything is read again", async (t) => {
    await breathe();
    const before = await host.state();
    const { namespace } = cluster.hosts[0] ?? assert.fail();
    const routes = Array.from(
      { length: 30_000 },
      (_, n) => `100.${64 + (n >> 14)}.${(n >> 6) & 255}.${(n & 63) * 4}/30`,
    );
    process.kill(daemon.pid, "SIGSTOP");
    try {
      await ipBatch(
        namespace,
        routes.map((route) => `route add ${route} dev lo`),
        signal,
      );
      await host.shell(`ip route del ${FIRST.base}/24 ${entry}`);
    } finally {
      process.kill(daemon.pid, "SIGCONT");
    }
    t.diagnostic(`${await becomes(before)} ms`);
    await ipBatch(
      namespace,
      routes.map((route) => `route del ${route} dev lo`),
      signal,
    );
  });

  it("keeps undoing us, which is told once and at /readyz until it ends, and costs ever less", async () => {
    await breathe();
    const { namespace } = cluster.hosts[0] ?? assert.fail();
    const undo = `while :; do ip route del ${FIRST.base}/24 ${entry} 2>/dev/null; done`;
    const readiness = `fetch("http://127.0.0.1:8081/readyz").then(async (r) => console.log(await r.text()))`;
    using fight = childSignal(signal);
    const fighting = attempt(inNamespace(namespace, ["sh", "-c", undo]), { limit: seconds(60) }, fight.signal);
    fighting.catch(() => {});
    await daemon.waitForLog(/another agent keeps undoing our kernel state/, LIMIT, signal);
    assert.match(await cluster.on(0, "node", "-e", readiness), /degraded: kernel: another agent keeps undoing route /);
    fight.abort();
    await assert.rejects(fighting, { name: "AbortError" });
    await host.shows(VXLAN.peerLines(FIRST), seconds(60));
    await daemon.waitForLog(/nobody undoes our kernel state any more/, seconds(90), signal);
    assert.equal(await cluster.on(0, "node", "-e", readiness), "flanneld is ready\n");
    assert.equal(daemon.log().match(/another agent keeps undoing/g)?.length, 1, daemon.log());
  });

  it("asks by SIGUSR1 what was repaired, by kind", async () => {
    process.kill(daemon.pid, "SIGUSR1");
    const line = await daemon.waitForLog(/kernel state passes=/, LIMIT, signal);
    for (const kind of ["link", "address", "route", "neighbour", "fdb"]) assert.match(line, new RegExp(`${kind} \\d+`));
  });
});

describe("a peer", () => {
  it("that was installed anew, with the same address and another MAC, is followed", async () => {
    const again = { ...FIRST, mac: "02:00:00:00:05:01" };
    await host.putPeer(again);
    await host.shows(VXLAN.peerLines(again));
    await host.forgets(FIRST.mac);
  });
});

describe("a host on which a program has the port of vxlan", () => {
  it("is told which, and what to do, and has its device when the port is free", async () => {
    await daemon.stop(signal);
    await host.shell("ip link del flannel.1");
    const { namespace, address } = cluster.hosts[0] ?? assert.fail();
    {
      using _holder = await openRawPeer(namespace, address, 8472, signal);
      daemon = cluster.start(0);
      const says = /process \d+ \([^)]+\) has UDP port 8472: stop it, or set another Port in the Backend/;
      await daemon.waitForLog(says, LIMIT, signal);
    }
    await daemon.ready(signal);
  });
});
