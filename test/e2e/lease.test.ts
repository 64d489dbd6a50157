import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { startEtcd } from "../../lab/etcd.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { type BackendProfile, PROFILES, VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { createOverlayHost, LIMIT, type OverlayHost } from "../support/overlay-host.ts";

const { signal } = new AbortController();

/** A challenge takes 20 s. */
const CHALLENGE_LIMIT = seconds(60);
const FLAGS = ["--healthz-port=8081"];

interface Scene extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly host: OverlayHost;
  /** The daemon of the first host; tests replace it. */
  daemon: Flanneld;
  readonly other: Flanneld;
  readiness(): Promise<string>;
  /** The etcd lease of the first host's record in hexadecimal, "0" for none. */
  leaseId(): Promise<string>;
  /** The first host has remembered all this. */
  remembers(text: string): Promise<void>;
}

/** Two hosts that have found each other. */
async function openScene(profile: BackendProfile): Promise<Scene> {
  const cluster = await openCluster(2, profile.config, signal);
  const daemons = await cluster.startAll({ flags: FLAGS });
  const host = createOverlayHost(cluster, profile, signal);
  await host.shows([...profile.ownLines(await host.peer(0)), ...profile.peerLines(await host.peer(1))]);
  const directory = cluster.hosts[0]?.directory ?? "";
  return {
    cluster,
    host,
    daemon: daemons[0] as Flanneld,
    other: daemons[1] as Flanneld,
    readiness: () => {
      const script = `fetch("http://127.0.0.1:8081/readyz").then(async (r) => console.log(r.status, await r.text()))`;
      return cluster.on(0, "node", "-e", script);
    },
    async leaseId() {
      const record = await cluster.etcdctl("get", "-w", "json", host.ownKey());
      return BigInt(/"lease":(\d+)/.exec(record)?.[1] ?? 0).toString(16);
    },
    remembers: async (text) => {
      const look = async () => ((await remembered(cluster, directory)).includes(text) ? true : null);
      await waitFor(`${text} to be remembered`, look, seconds(90), signal);
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

function remembered(cluster: Cluster, directory: string): Promise<string> {
  return cluster.on(0, "sh", "-c", `cat ${join(directory, "state")}/*.lease || true`);
}

async function owners(cluster: Cluster): Promise<string> {
  const all = await cluster.etcdctl("get", "--prefix", `${PREFIX}/subnets/`);
  return all.replaceAll(/\n\{"PublicIP":"([^"]+)".*/g, " $1");
}

function bootWithoutEtcd(profile: BackendProfile): void {
  let scene: Scene;
  before(async () => {
    scene = await openScene(profile);
  });
  after(async () => scene?.[Symbol.asyncDispose]());

  it("comes up from what it remembers after a reboot, says so, and follows etcd when that is back", async () => {
    const { cluster, host } = scene;
    const expected = await host.state();
    const file = readFileSync(scene.daemon.subnetFile, "utf8");
    await scene.remembers((await host.peer(1)).ip);
    await scene.daemon.kill(signal);
    await cluster.etcd.stop();
    await host.shell(profile.reboot);
    rmSync(scene.daemon.subnetFile);

    scene.daemon = cluster.start(0, { flags: FLAGS });
    await scene.daemon.ready(signal);
    await host.becomes(expected);
    assert.equal(readFileSync(scene.daemon.subnetFile, "utf8"), file);
    assert.match(await scene.readiness(), /^200 flanneld is ready, but degraded: etcd: /);
    assert.match(scene.daemon.log(), /going on with what was remembered/);

    await cluster.etcd.start();
    const look = async () => (/^200 flanneld is ready$/m.test(await scene.readiness()) ? true : null);
    await waitFor("etcd to be followed again", look, seconds(30), signal);
    assert.equal(await host.state(), expected);
  });
}

for (const profile of PROFILES) {
  describe(`a host with ${profile.type} that starts while etcd is away`, () => bootWithoutEtcd(profile));
}

describe("a host that starts while etcd is away", () => {
  let scene: Scene;
  before(async () => {
    scene = await openScene(VXLAN);
  });
  after(async () => scene?.[Symbol.asyncDispose]());

  it("waits when what it remembers is damaged, and says why", async () => {
    const { cluster } = scene;
    await scene.remembers("PublicIP");
    await scene.daemon.stop(signal);
    await cluster.etcd.stop();
    const directory = join(cluster.hosts[0]?.directory ?? "", "state");
    await cluster.on(0, "sh", "-c", `sed -i s/10.5.0.0/10.6.0.0/ ${directory}/*.lease`);
    const daemon = cluster.start(0, { flags: FLAGS });
    await daemon.waitForLog(/what was remembered of the last run is of no use.*its checksum is wrong/, LIMIT, signal);
    await daemon.waitForLog(/waiting for the network config/, LIMIT, signal);
    await cluster.etcd.start();
    await daemon.ready(signal);
  });
});

describe("a lease", () => {
  let scene: Scene;
  before(async () => {
    scene = await openScene(VXLAN);
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
    assert.match(
      await scene.readiness(),
      /^200 flanneld is ready, but degraded: peers: the record of a host has vanished/,
    );
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
    scene = await openScene(VXLAN);
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
