import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Flanneld } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { type BackendProfile, PROFILES } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { createOverlayHost, type OverlayHost } from "../support/overlay-host.ts";

const { signal } = new AbortController();

function suite(profile: BackendProfile): void {
  let cluster: Cluster;
  let host: OverlayHost;
  let first: Flanneld;

  before(async () => {
    cluster = await openCluster(2, profile.config, signal);
    const daemons = await cluster.startAll();
    first = daemons[0] as Flanneld;
    host = createOverlayHost(cluster, profile, signal);
    await host.shows([...profile.ownLines(await host.peer(0)), ...profile.peerLines(await host.peer(1))]);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  /** The revision at which any lease was last written. */
  async function revisions(): Promise<string> {
    const { kvs } = JSON.parse(await cluster.etcdctl("get", "-w", "json", "--prefix", `${PREFIX}/subnets/`)) as {
      kvs: readonly { key: string; mod_revision: number }[];
    };
    return JSON.stringify(kvs.map(({ key, mod_revision }) => [key, mod_revision]));
  }

  it("exits 0 on SIGTERM, leaves the kernel and etcd as they are, and starts again without changing them", async () => {
    const before = { state: await host.state(), revisions: await revisions() };
    const file = readFileSync(first.subnetFile, "utf8");
    assert.equal(await first.stop(signal), 0);
    assert.deepEqual({ state: await host.state(), revisions: await revisions() }, before);
    const again = cluster.start(0);
    await again.ready(signal);
    assert.deepEqual({ state: await host.state(), revisions: await revisions() }, before);
    assert.equal(readFileSync(again.subnetFile, "utf8"), file);
    await again.stop(signal);
  });

  it("has everything back after kill -9 and a reboot, which takes the subnet file, too", async () => {
    const running = cluster.start(0);
    await running.ready(signal);
    const before = { state: await host.state(), revisions: await revisions() };
    const file = readFileSync(running.subnetFile, "utf8");
    await running.kill(signal);
    await host.shell(profile.reboot);
    await host.shell(`rm ${running.subnetFile}`);
    const again = cluster.start(0);
    await again.ready(signal);
    await host.becomes(before.state);
    assert.equal(await revisions(), before.revisions);
    assert.equal(readFileSync(again.subnetFile, "utf8"), file);
    await again.stop(signal);
  });

  it("removes what a peer left behind that went away meanwhile, and nothing foreign", async () => {
    const before = await host.state();
    const peer = { base: "10.5.222.0", ip: "192.168.77.222", mac: "02:00:00:00:02:22" };
    for (const line of profile.leaveBehind(peer)) await host.shell(line);
    await host.shell("ip route add 10.77.0.0/16 via 192.168.77.1");
    await host.shell("ip route add 10.5.230.0/24 via 192.168.77.1 proto static");
    const foreign = () => host.shell("ip route show via 192.168.77.1");
    const foreignBefore = await foreign();
    const again = cluster.start(0);
    await again.ready(signal);
    await host.forgets("222");
    assert.equal(await foreign(), foreignBefore);
    await again.stop(signal);
    for (const route of ["10.77.0.0/16", "10.5.230.0/24"]) await host.shell(`ip route del ${route}`);
    assert.equal(await host.state(), before);
  });

  it("ends at once on a second signal", async () => {
    const running = cluster.start(0);
    await running.ready(signal);
    cluster.etcd.freeze();
    process.kill(running.pid, "SIGINT");
    process.kill(running.pid, "SIGINT");
    await waitFor("the end", () => (running.running() ? null : true), seconds(5), signal);
    cluster.etcd.thaw();
  });

  it("refuses to run beside another of its network, which it names, and not beside one of another network", async () => {
    const running = cluster.start(0);
    await running.ready(signal);
    const state = await host.state();
    const second = cluster.start(0);
    const line = await second.waitForLog(/another flanneld/, seconds(20), signal);
    assert.match(
      line,
      new RegExp(`process ${running.pid}\\) already carries the network ${PREFIX} on this host: stop it`),
    );
    assert.equal(await second.ended(signal), 78);
    assert.equal(await host.state(), state);

    const elsewhere = { flags: ["--etcd-prefix=/other/network", "--subnet-file=/dev/null"] };
    const other = cluster.start(0, elsewhere);
    await other.waitForLog(/there is no network config/, seconds(20), signal);
    await other.stop(signal);

    await running.kill(signal);
    const again = cluster.start(0);
    await again.ready(signal);
    await again.stop(signal);
  });

  if (profile.type === "vxlan") {
    it("refuses the daemon of another network that would have its device, and goes on", async () => {
      const running = cluster.start(0);
      await running.ready(signal);
      const state = await host.state();
      const config = (vni: number) => JSON.stringify({ Network: "10.71.0.0/16", Backend: { Type: "vxlan", VNI: vni } });
      const network = ["--etcd-prefix=/red", `--subnet-file=${join(running.host.directory, "red.env")}`];
      await cluster.etcdctl("put", "/red/config", config(1));
      const second = cluster.start(0, { flags: network });
      const line = await second.waitForLog(/has the device/, seconds(20), signal);
      assert.match(
        line,
        new RegExp(`process ${running.pid}\\) already has the device flannel\\.1 .*another VNI in the Backend`),
      );
      assert.equal(await second.ended(signal), 78);
      assert.equal(await host.state(), state);
      assert.equal(await cluster.etcdctl("get", "--prefix", "/red/subnets/"), "");

      await cluster.etcdctl("put", "/red/config", config(7));
      const other = cluster.start(0, { flags: network });
      await other.ready(signal);
      await other.stop(signal);
      await running.stop(signal);
      await host.shell("ip link del flannel.7");
    });

    it("keeps its routes beside the daemon of another network that overlaps its own", async () => {
      const running = cluster.start(0);
      await running.ready(signal);
      const state = await host.state();
      const range = { SubnetMin: "10.5.210.0", SubnetMax: "10.5.220.0" };
      const config = { Network: "10.5.0.0/16", ...range, Backend: { Type: "vxlan", VNI: 8 } };
      await cluster.etcdctl("put", "/blue/config", JSON.stringify(config));
      const flags = ["--etcd-prefix=/blue", `--subnet-file=${join(running.host.directory, "blue.env")}`];
      // So that it cannot put back what the other takes.
      process.kill(running.pid, "SIGSTOP");
      try {
        const other = cluster.start(0, { flags });
        await other.ready(signal);
        assert.equal(await host.state(), state);
        await other.stop(signal);
      } finally {
        process.kill(running.pid, "SIGCONT");
      }
      await running.stop(signal);
      await host.shell("ip link del flannel.8");
    });
  }

  const { goRoute } = profile;
  if (!goRoute) return;
  it("takes over the routes of the Go daemon in place, and deletes those of peers that are gone", async () => {
    const before = await host.state();
    const peer = await host.peer(1);
    const gone = { base: "10.5.223.0", ip: "192.168.77.223", mac: "" };
    for (const one of [peer, gone]) await host.shell(`ip route replace ${goRoute(one)}`);
    assert.doesNotMatch(await host.shell(`ip route show ${peer.base}/24`), /proto 70/);
    const again = cluster.start(0);
    await again.ready(signal);
    await host.becomes(before);
    await again.stop(signal);
  });
}

for (const profile of PROFILES) describe(`a daemon with ${profile.type} that is stopped`, () => suite(profile));
