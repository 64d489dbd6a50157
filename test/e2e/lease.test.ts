import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { startEtcd } from "../../lab/etcd.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, PREFIX } from "../support/cluster.ts";
import { FLAGS, openScene, remembered, type Scene } from "../support/lease-scene.ts";
import { LIMIT } from "../support/overlay-host.ts";

const { signal } = new AbortController();

/** A challenge takes 20 s. */
const CHALLENGE_LIMIT = seconds(60);

async function owners(cluster: Cluster): Promise<string> {
  const all = await cluster.etcdctl("get", "--prefix", `${PREFIX}/subnets/`);
  return all.replaceAll(/\n\{"PublicIP":"([^"]+)".*/g, " $1");
}

describe("a lease", () => {
  let scene: Scene;
  before(async () => {
    scene = await openScene(VXLAN, signal);
  });
  after(async () => scene?.[Symbol.asyncDispose]());

  it("that expires while its subnet is free is taken again, and no daemon ends", async () => {
    const { cluster, host } = scene;
    const [state, before] = [await host.state(), await owners(cluster)];
    const id = await scene.leaseId();
    await cluster.etcdctl("lease", "revoke", id);
    const look = async () => ((await owners(cluster)) === before && (await scene.leaseId()) !== id ? true : null);
    await waitFor("the lease", look, LIMIT, signal);
    assert.equal(await host.state(), state);
    assert.ok(scene.daemon.running());
  });

  it("in an etcd that was wiped is written again at the same subnet, and every route stays", async () => {
    const { cluster, host } = scene;
    const [state, before] = [await host.state(), await owners(cluster)];
    await cluster.etcd.stop();
    const { namespace, address } = cluster.topology.etcd;
    const wiped = await startEtcd({ namespace, address }, signal);
    try {
      await waitFor("the leases", async () => ((await owners(cluster)) === before ? true : null), seconds(60), signal);
      assert.equal(await host.state(), state);
      await scene.daemon.waitForLog(/the network config cannot be used.*is gone from etcd/, LIMIT, signal);
      assert.match(await scene.readiness(), /^200 .*degraded.*network-config: the network config is gone from etcd/);
    } finally {
      await wiped[Symbol.asyncDispose]();
      await cluster.etcd.start();
    }
    await waitFor(
      "the former etcd",
      async () => ((await owners(cluster)) === before ? true : null),
      seconds(60),
      signal,
    );
    assert.equal(await host.state(), state);
  });

  it("that an operator has made a reservation stays one over a restart", async () => {
    const { cluster, host } = scene;
    const key = host.ownKey();
    await cluster.etcdctl("put", key, (await cluster.etcdctl("get", "--print-value-only", key)).trim());
    await waitFor("the reservation", async () => ((await scene.leaseId()) === "0" ? true : null), LIMIT, signal);
    await scene.daemon.stop(signal);
    scene.daemon = cluster.start(0, { flags: FLAGS });
    await scene.daemon.ready(signal);
    assert.equal(await scene.leaseId(), "0");
    assert.equal(host.ownKey(), key);
  });

  it("that another host has now is yielded to it and taken back when that goes; the daemon says so and stays", async () => {
    const { cluster, host } = scene;
    const own = await host.peer(0);
    const peer = await host.peer(1);
    const state = await host.state();
    await cluster.etcdctl(
      "put",
      host.ownKey(),
      VXLAN.record({ ...own, ip: "192.168.77.99", mac: "02:00:00:00:03:99" }),
    );
    await host.forgets(peer.ip);
    assert.match(
      await scene.readiness(),
      /^503 flanneld is not ready yet: lease: 10\.5\.\d+\.0\/24 belongs to the host 192\.168\.77\.99 now/,
    );
    await scene.daemon.waitForLog(/ERROR another host has the subnet of this host/, LIMIT, signal);
    await cluster.etcdctl("del", host.ownKey());
    await host.becomes(state);
    assert.match(await scene.readiness(), /^200 /);
    assert.ok(scene.daemon.running());
  });

  it("is not taken over on a start without etcd when another host had it before", async () => {
    const { cluster, host } = scene;
    await scene.remembers(host.ownKey().replace(/.*\//, ""));
    const record = VXLAN.record({ ...(await host.peer(0)), ip: "192.168.77.99", mac: "02:00:00:00:03:99" });
    await cluster.etcdctl("put", host.ownKey(), record);
    await scene.daemon.waitForLog(/ERROR another host has the subnet of this host/, LIMIT, signal);
    const directory = cluster.hosts[0]?.directory ?? "";
    const look = async () => ((await remembered(cluster, directory)) === "" ? true : null);
    await waitFor("the lease to be forgotten", look, seconds(90), signal);
    await cluster.etcdctl("del", host.ownKey());
    const isBack = async () => ((await scene.readiness()).startsWith("200 ") ? true : null);
    await waitFor("the subnet to be its own again", isBack, LIMIT, signal);
  });

  it("that expires together with all others costs no host a route, and all have their subnets again", async () => {
    const { cluster, host } = scene;
    const before = await owners(cluster);
    // A phantom stands for a host that needs longer.
    const phantom = { base: "10.5.200.0", ip: "192.168.77.200", mac: "02:00:00:00:03:c8" };
    await host.putPeer(phantom);
    await host.shows(VXLAN.peerLines(phantom));
    const all = await host.state();
    await cluster.etcdctl("del", "--prefix", `${PREFIX}/subnets/`);
    await waitFor("the leases", async () => ((await owners(cluster)) === before ? true : null), LIMIT, signal);
    await scene.daemon.waitForLog(/records have vanished from etcd together/, LIMIT, signal);
    // Until it has seen that the other host is back, it speaks of two.
    const degraded = /^200 flanneld is ready, but degraded: peers: the record of a host has vanished/;
    const tells = async () => (degraded.test(await scene.readiness()) ? true : null);
    await waitFor(`${degraded} in the readiness`, tells, LIMIT, signal);
    assert.equal(await host.state(), all);
    await host.putPeer(phantom);
    await waitFor(
      "no degradation",
      async () => ((await scene.readiness()).includes("degraded") ? null : true),
      LIMIT,
      signal,
    );
  });
});

describe("two hosts with one public IP", () => {
  let scene: Scene;
  before(async () => {
    scene = await openScene(VXLAN, signal);
  });
  after(async () => scene?.[Symbol.asyncDispose]());

  it("do not share a lease: the first keeps it, the second waits and says what to do", async () => {
    const { cluster, host } = scene;
    const [state, before] = [await host.state(), await owners(cluster)];
    // It gets no further than to the lease: what the daemon has made that ran there stays.
    await scene.other.stop(signal);
    const second = cluster.start(1, {
      flags: ["--public-ip=192.168.77.11", `--state-dir=${cluster.hosts[1]?.directory}/other`],
    });
    await second.waitForLog(
      /another running host \(node id [0-9a-f]{32}\) has the public IP 192\.168\.77\.11 of this one/,
      CHALLENGE_LIMIT,
      signal,
    );
    assert.equal(await host.state(), state);
    assert.equal(await owners(cluster), before);
    await scene.daemon.waitForLog(/another host asked whether this one holds its lease; it does/, LIMIT, signal);
    await second.stop(signal);
    await cluster.start(1, { flags: FLAGS }).ready(signal);
  });

  it("are one when the first has gone and was installed anew: it has its subnet and MAC again", async () => {
    const { cluster, host } = scene;
    const [state, before] = [await host.state(), await owners(cluster)];
    await scene.daemon.kill(signal);
    await host.shell(VXLAN.reboot);
    rmSync(scene.daemon.subnetFile);
    rmSync(join(cluster.hosts[0]?.directory ?? "", "state"), { recursive: true });
    scene.daemon = cluster.start(0, { flags: FLAGS });
    await waitFor(
      "flanneld",
      async () => (/flannel is ready/.test(scene.daemon.log()) ? true : null),
      CHALLENGE_LIMIT,
      signal,
    );
    await host.becomes(state);
    assert.equal(await owners(cluster), before);
  });

  it("are one when the host has another address: it has its subnet again and announces the new address", async () => {
    const { cluster, host } = scene;
    const key = host.ownKey();
    await scene.daemon.stop(signal);
    scene.daemon = cluster.start(0, { flags: [...FLAGS, "--public-ip=192.168.77.111"] });
    await waitFor(
      "flanneld",
      async () => (/flannel is ready/.test(scene.daemon.log()) ? true : null),
      CHALLENGE_LIMIT,
      signal,
    );
    assert.equal(host.ownKey(), key);
    assert.match(await cluster.etcdctl("get", key), /"PublicIP":"192\.168\.77\.111"/);
  });
});
