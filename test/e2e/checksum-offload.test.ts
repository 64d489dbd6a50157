// vxlan on a host whose network card leaves the checksums of packets in tunnels wrong, and on one whose card is right. The
// card is a real process between two interfaces (lab/broken-nic.c); ethtool tells what the device does.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it, type TestContext } from "node:test";
import { fitBrokenNic } from "../../lab/broken-nic.ts";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { isAnswered, ping } from "../../lab/ping.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { LIMIT } from "../support/overlay-host.ts";

const { signal } = new AbortController();
/** Three rounds of two seconds; on a busy machine more. */
const MEASURED = seconds(90);

let cluster: Cluster;
let daemons: readonly Flanneld[];
let pods: readonly [Pod, Pod];

async function open(offload: string | null, isBroken: boolean): Promise<void> {
  cluster = await openCluster(2, configOf(offload), signal);
  const [host] = cluster.hosts;
  if (isBroken && host) await fitBrokenNic(cluster.topology, host, signal);
  daemons = await cluster.startAll();
  const made = daemons.map((daemon, index) => addPod(daemon.host, `p${index}`, daemon.subnetFile, signal));
  pods = (await Promise.all(made)) as [Pod, Pod];
  const look = () => isAnswered(pods[0].namespace, pods[1].address, signal);
  await waitFor("an answer to a ping, whose checksum is never left to a card", look, LIMIT, signal);
}

function configOf(offload: string | null) {
  return { ...VXLAN.config, Backend: { Type: "vxlan", ...(offload && { Offload: offload }) } };
}

/** What ethtool says of flannel.1: "on" or "off". */
async function offloadOf(host: number): Promise<string> {
  const text = await cluster.on(host, "ethtool", "-k", "flannel.1");
  return /^\ttx-checksum-ip-generic: (on|off)/m.exec(text)?.[1] ?? assert.fail(text);
}

async function becomes(host: number, wanted: string, limit = LIMIT): Promise<void> {
  const look = async () => ((await offloadOf(host)) === wanted ? true : null);
  await waitFor(`the offload to be ${wanted}`, look, limit, signal);
}

/** Whether a connection between the pods comes about within 3 s: nobody listens, so that a refusal is an answer. */
async function connects(): Promise<boolean> {
  const [from, to] = pods;
  const script = `
    const socket = require("node:net").connect({ host: "${to.address}", port: 9 });
    socket.on("error", ({ code }) => process.exit(code === "ECONNREFUSED" ? 0 : 1));
    setTimeout(() => process.exit(1), 3000);`;
  const { status } = await cluster.tryOn(0, ...inNamespace(from.namespace, [process.execPath, "-e", script]));
  return status === 0;
}

const close = async () => cluster?.[Symbol.asyncDispose]();

describe("a card that leaves checksums in tunnels wrong", () => {
  describe("with Offload on", () => {
    before(async () => open("on", true));
    after(close);

    it("lets no connection of pods through, while pings pass, and nothing is changed", async () => {
      assert.equal(await connects(), false);
      assert.equal(await offloadOf(0), "on");
      assert.equal((await ping(pods[0].namespace, pods[1].address, { count: 3, waitSeconds: 5 }, signal)).received, 3);
    });

    it("is got around as soon as the config says off, and the device is put back when it says on", async () => {
      await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(configOf("off")));
      await becomes(0, "off");
      assert.equal(await connects(), true);
      await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(configOf("on")));
      await becomes(0, "on");
    });

    it("is noticed and got around when the config says auto", async () => {
      await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(configOf("auto")));
      await becomes(0, "off", MEASURED);
      assert.equal(await connects(), true);
    });
  });

  describe("with Offload off", () => {
    before(async () => open("off", true));
    after(close);

    it("spoils nothing, from the first packet on", async () => {
      assert.equal(await offloadOf(0), "off");
      assert.equal(await connects(), true);
    });

    it("has its device mended when somebody switches the offload on", async (t) => {
      await cluster.on(0, "ethtool", "-K", "flannel.1", "tx-checksum-ip-generic", "on");
      const start = systemClock.monotonic();
      await becomes(0, "off");
      t.diagnostic(`${Math.round(systemClock.monotonic() - start)} ms`);
    });

    it("has its device mended when that was deleted", async () => {
      await cluster.on(0, "ip", "link", "del", "flannel.1");
      const look = async () => ((await cluster.tryOn(0, "ip", "link", "show", "flannel.1")).status === 0 ? true : null);
      await waitFor("the device", look, LIMIT, signal);
      await becomes(0, "off");
    });

    it("gives the device its offload back when the config says auto, and takes it again where it does harm", async (t) => {
      const start = systemClock.monotonic();
      await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(configOf("auto")));
      await becomes(1, "on");
      await daemons[0]?.waitForLog(/arrive wrong/, MEASURED, signal);
      await becomes(0, "off");
      t.diagnostic(`${Math.round(systemClock.monotonic() - start)} ms until it was off again`);
      assert.equal(await connects(), true);
      await daemons[1]?.waitForLog(/arrive intact/, MEASURED, signal);
      assert.equal(await offloadOf(1), "on");
    });
  });

  describe("without the option", () => {
    before(async () => open(null, true));
    after(close);

    it("is noticed and got around by the host that has it, told once, and the other leaves its device alone", async (t: TestContext) => {
      const start = systemClock.monotonic();
      const line = await daemons[0]?.waitForLog(/arrive wrong/, MEASURED, signal);
      t.diagnostic(`${Math.round(systemClock.monotonic() - start)} ms after the first ping`);
      assert.match(line ?? "", /WARN .*leaves it none from now on.* dev=flannel\.1 peer=10\.5\.\d+\.0 /);
      await becomes(0, "off");
      assert.equal(await connects(), true);
      await daemons[1]?.waitForLog(/arrive intact/, MEASURED, signal);
      assert.equal(await offloadOf(1), "on");
      assert.equal(daemons[0]?.log().match(/arrive wrong/g)?.length, 1);
    });

    it("stays got around over a restart, which takes what it finds", async () => {
      await daemons[0]?.stop(signal);
      const again = cluster.start(0);
      await again.ready(signal);
      await again.waitForLog(/leaves no checksums to the network card, and that is left alone/, MEASURED, signal);
      assert.equal(await offloadOf(0), "off");
      assert.equal(await connects(), true);
    });
  });
});

describe("a card that is right", () => {
  before(async () => open("auto", false));
  after(close);

  it("is found so on every host, and keeps its work", async () => {
    for (const [host, daemon] of daemons.entries()) {
      await daemon.waitForLog(/INFO .*checksums left to the network card arrive intact/, MEASURED, signal);
      assert.equal(await offloadOf(host), "on");
    }
  });

  it("is found so again although a peer is gone that would not answer", async () => {
    const gone = { base: "10.5.201.0", ip: "192.168.77.201", mac: "02:00:00:00:03:01" };
    await cluster.etcdctl("put", `${PREFIX}/subnets/10.5.201.0-24`, VXLAN.record(gone));
    await daemons[0]?.stop(signal);
    const again = cluster.start(0);
    await again.waitForLog(/arrive intact/, MEASURED, signal);
    assert.equal(await offloadOf(0), "on");
  });
});

/** What a firewall on both hosts does with connections that come out of the tunnel. */
async function openBehind(verdict: string): Promise<void> {
  cluster = await openCluster(2, configOf(null), signal);
  const rules = `table inet strict { chain input { type filter hook input priority 0; iifname "flannel.1" tcp flags syn / syn,ack ${verdict}; }; }`;
  for (const host of cluster.hosts.keys()) await cluster.on(host, "nft", rules);
  daemons = await cluster.startAll();
}

describe("a firewall", () => {
  afterEach(close);

  it("that drops connections is not taken for a card that is wrong: nothing is measured or changed", async () => {
    await openBehind("drop");
    await daemons[0]?.waitForLog(
      /cannot measure whether .*no peer answers on the overlay \(asked: 1\)/,
      MEASURED,
      signal,
    );
    assert.equal(await offloadOf(0), "on");
  });

  it("that refuses them by ICMP says as much as a host that does", async () => {
    await openBehind("reject with icmpx admin-prohibited");
    await daemons[0]?.waitForLog(/arrive intact/, MEASURED, signal);
  });
});
