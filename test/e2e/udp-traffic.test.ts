// Large transfers over the udp backend, each byte of which is checked: with all means of being fast, with each one off,
// without any, with a peer that has none, and where the hosts' MTUs differ.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { isAnswered } from "../../lab/ping.ts";
import { startPlainTunnel } from "../../lab/plain-tunnel.ts";
import { run } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { DATAPATH_FEATURES } from "../../src/base/datapath.ts";
import type { Json } from "../../src/base/json.ts";
import { UDP } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { createOverlayHost, LIMIT } from "../support/overlay-host.ts";
import { INTACT, transfer } from "../support/transfer.ts";

const { signal } = new AbortController();
const BYTES = 48 * 1024 * 1024;

function configWith(options: { readonly [key: string]: Json }): Json {
  return { ...UDP.config, Backend: { Type: "udp", ...options } };
}

function addPods(daemons: readonly Flanneld[]): Promise<Pod[]> {
  return Promise.all(daemons.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal)));
}

async function assertReach(from: Pick<Pod, "namespace">, to: Pick<Pod, "address">): Promise<void> {
  const look = () => isAnswered(from.namespace, to.address, signal);
  await waitFor("an answer to a ping", look, LIMIT, signal);
}

/** The first calls the second. */
async function assertIntact([from, to]: readonly Pod[]): Promise<void> {
  assert.ok(from && to);
  await assertReach(from, to);
  assert.deepEqual(await transfer(from, to, BYTES, signal), INTACT);
}

/** What the first daemon says of what it has carried: the fields of its next line of this message. */
async function reportOf(daemon: Flanneld, message: string): Promise<ReadonlyMap<string, number>> {
  const lines = () => daemon.log().match(new RegExp(`.* ${message} .*`, "g")) ?? [];
  const before = lines().length;
  process.kill(daemon.pid, "SIGUSR1");
  const line = await waitFor("the report", () => lines()[before] ?? null, LIMIT, signal);
  return new Map([...line.matchAll(/(\w+)=([\d.]+)/g)].map(([, name = "", value]) => [name, Number(value)]));
}

describe("a large transfer over udp in both directions", () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["with everything on", []],
    ...DATAPATH_FEATURES.map((feature) => [`without ${feature}`, [feature]] as const),
    ["with everything off", DATAPATH_FEATURES],
  ];

  let cluster: Cluster;
  let daemons: readonly Flanneld[];
  let pods: readonly Pod[];

  before(async () => {
    cluster = await openCluster(2, UDP.config, signal);
    daemons = await cluster.startAll();
    pods = await addPods(daemons);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  for (const [what, off] of cases) {
    it(`arrives as it was sent ${what}`, async () => {
      await Promise.all(daemons.map((daemon) => daemon.stop(signal)));
      const config = configWith(Object.fromEntries(off.map((feature) => [feature, false])));
      await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(config));
      daemons = await cluster.startAll();
      await assertIntact(pods);
      const line = await first().waitForLog(/packets are carried/, LIMIT, signal);
      const [, said = ""] = / off="?([\w,]+)/.exec(line) ?? [];
      for (const feature of off) assert.ok(said.split(",").includes(feature), line);
    });
  }

  const first = () => daemons[0] ?? assert.fail();

  it("goes through the kernel in large pieces, and is counted in bytes, packets and calls", async () => {
    await Promise.all(daemons.map((daemon) => daemon.stop(signal)));
    await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(UDP.config));
    daemons = await cluster.startAll();
    await assertIntact(pods);
    const sent = await reportOf(first(), "sent to peers");
    const received = await reportOf(first(), "received from peers");
    for (const counters of [sent, received]) {
      assert.ok((counters.get("bytes") ?? 0) > BYTES);
      assert.ok((counters.get("packets") ?? 0) > BYTES / 1472);
      assert.ok((counters.get("packetsPerCall") ?? 0) > 2, JSON.stringify([...counters]));
    }
    assert.ok((sent.get("segmented") ?? 0) > BYTES / 1472 / 2);
    assert.ok((received.get("coalesced") ?? 0) > BYTES / 1472 / 2);
    assert.ok((received.get("writes") ?? 0) < (received.get("packets") ?? 0) / 2);
  });
});

describe("a peer that is as simple as the Go daemon", () => {
  it("exchanges a large transfer and full packets with ours, in both directions", async () => {
    await using cluster = await openCluster(2, UDP.config, signal);
    const daemon = cluster.start(0);
    await daemon.ready(signal);
    const host = createOverlayHost(cluster, UDP, signal);
    const own = await host.peer(0);
    const machine = cluster.hosts[1] ?? assert.fail();
    const peer = { base: "10.5.210.0", ip: machine.address, mac: "" };
    await using _tunnel = await startPlainTunnel(
      machine.namespace,
      { device: "flannel0", mtu: 1472, address: peer.ip, port: 8285, peers: [`${own.base}/24=${own.ip}`] },
      signal,
    );
    await cluster.on(1, "ip", "addr", "add", `${peer.base}/32`, "dev", "flannel0");
    await cluster.on(1, "ip", "link", "set", "flannel0", "mtu", "1472", "up");
    await cluster.on(1, "ip", "route", "add", "10.5.0.0/16", "dev", "flannel0");
    await host.putPeer(peer);
    const env = `FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.210.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=false\n`;
    await cluster.on(1, "sh", "-c", `printf '${env.replaceAll("\n", "\\n")}' >${machine.directory}/subnet.env`);
    const ours = await addPod(cluster.hosts[0] ?? assert.fail(), "p0", daemon.subnetFile, signal);
    const theirs = await addPod(machine, "p1", `${machine.directory}/subnet.env`, signal);
    await assertIntact([ours, theirs]);
    await assertIntact([theirs, ours]);
    for (const [from, to] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const full = ["ip", "netns", "exec", from.namespace, "ping", "-n", "-c1", "-W5", "-Mdo", "-s1444", to.address];
      assert.equal((await cluster.tryOn(0, ...full)).status, 0, `${from.name} to ${to.name}`);
    }
  });
});

describe("hosts whose MTUs differ", () => {
  /** The underlay carries 9,000 bytes. */
  async function widen({ topology, hosts, on }: Cluster): Promise<void> {
    for (const dev of ["br0", ...hosts.map(({ name }) => name)]) {
      await run(inNamespace(topology.switchNamespace, ["ip", "link", "set", dev, "mtu", "9000"]), {}, signal);
    }
    for (const host of [0, 1]) await on(host, "ip", "link", "set", "eth0", "mtu", "9000");
  }

  /** The first host hears of no config any more. */
  async function cutOff({ topology, on }: Cluster): Promise<void> {
    const { address } = topology.etcd;
    const out = `chain out { type filter hook output priority 0; ip daddr ${address} drop; };`;
    const back = `chain back { type filter hook input priority 0; ip saddr ${address} drop; };`;
    const rules = `table ip cut { ${out} ${back} }`;
    await on(0, "nft", rules);
  }

  const mtuOf = ({ subnetFile }: Flanneld) => /^FLANNEL_MTU=(.*)$/m.exec(readFileSync(subnetFile, "utf8"))?.[1];
  /** The subnet's first address, which flannel0 has: the file names the second. */
  const deviceAddressOf = ({ subnetFile }: Flanneld) =>
    /^FLANNEL_SUBNET=(.*)\.1\//m.exec(readFileSync(subnetFile, "utf8"))?.[1]?.concat(".0") ?? assert.fail();

  it("truncate nothing: what is too large is answered, or arrives in fragments", async () => {
    await using cluster = await openCluster(2, configWith({ MTU: 1500 }), signal);
    await widen(cluster);
    const [narrow, wide] = (await cluster.startAll()) as [Flanneld, Flanneld];
    // A host that was cut off before it heard of the other one would drop its packets, and be right.
    await assertReach(narrow.host, { address: deviceAddressOf(wide) });
    await cutOff(cluster);
    await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(UDP.config));
    await waitFor("the MTU without the config's limit", () => mtuOf(wide) === "8972" || null, LIMIT, signal);
    const isWide = async () => (await cluster.on(1, "ip", "link", "show", "flannel0")).includes(" mtu 8972 ") || null;
    await waitFor("the same of the device", isWide, LIMIT, signal);
    assert.equal(mtuOf(narrow), "1472");
    const [small, large] = (await addPods([narrow, wide])) as [Pod, Pod];
    await assertReach(large, small);
    const pinged = async (...words: string[]) =>
      (await cluster.tryOn(1, "ip", "netns", "exec", large.namespace, "ping", "-n", "-c1", "-W3", ...words)).stdout;
    assert.match(await pinged("-Mdont", "-s5000", small.address), / 1 received/);
    assert.match(await pinged("-Mdo", "-s5000", small.address), /Frag needed and DF set \(mtu = 1472\)/);
    assert.equal((await reportOf(narrow, "dropped")).get("oversized"), 1);
    await assertIntact([large, small]);
    await assertIntact([small, large]);
  });
});
