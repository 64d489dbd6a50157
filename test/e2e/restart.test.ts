import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import type { Flanneld } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { type Cluster, openCluster, PREFIX, VXLAN_CONFIG } from "../support/cluster.ts";

const { signal } = new AbortController();
let cluster: Cluster;
let daemons: readonly Flanneld[];

before(async () => {
  cluster = await openCluster(2, VXLAN_CONFIG, signal);
  daemons = await cluster.startAll();
  const peerRoute = async () => ((await overlayState()).includes("proto 70 onlink") ? true : null);
  await waitFor("the route to the peer", peerRoute, seconds(20), signal);
});
after(async () => cluster?.[Symbol.asyncDispose]());

/** Everything that the host has of the overlay, as `ip` and `bridge` print it. */
async function overlayState(): Promise<string> {
  const parts = [
    await cluster.on(0, "ip", "-d", "link", "show", "flannel.1"),
    await cluster.on(0, "ip", "addr", "show", "dev", "flannel.1"),
    await cluster.on(0, "ip", "route", "show", "dev", "flannel.1"),
    await cluster.on(0, "ip", "neigh", "show", "dev", "flannel.1", "nud", "permanent"),
    await cluster.on(0, "bridge", "fdb", "show", "dev", "flannel.1"),
  ];
  return parts.join("");
}

function startOf(daemon: Flanneld | undefined): Flanneld {
  assert.ok(daemon);
  return daemon;
}

/** The revision at which any lease was last written. */
async function revisions(): Promise<string> {
  const { kvs } = JSON.parse(await cluster.etcdctl("get", "-w", "json", "--prefix", `${PREFIX}/subnets/`)) as {
    kvs: readonly { key: string; mod_revision: number }[];
  };
  return JSON.stringify(kvs.map(({ key, mod_revision }) => [key, mod_revision]));
}

describe("a daemon that is stopped", () => {
  it("exits 0 on SIGTERM, leaves the kernel and etcd as they are, and starts again without changing them", async () => {
    const before = { state: await overlayState(), revisions: await revisions() };
    const file = readFileSync(startOf(daemons[0]).subnetFile, "utf8");
    assert.equal(await startOf(daemons[0]).stop(signal), 0);
    assert.deepEqual({ state: await overlayState(), revisions: await revisions() }, before);
    const again = cluster.start(0);
    await again.ready(signal);
    assert.deepEqual({ state: await overlayState(), revisions: await revisions() }, before);
    assert.equal(readFileSync(again.subnetFile, "utf8"), file);
    await again.stop(signal);
  });

  it("keeps subnet and MAC after kill -9, also when the device and the subnet file are gone (a reboot)", async () => {
    const running = cluster.start(0);
    await running.ready(signal);
    const before = await cluster.on(0, "ip", "-j", "link", "show", "flannel.1");
    const file = readFileSync(running.subnetFile, "utf8");
    await running.kill(signal);
    await cluster.on(0, "ip", "link", "del", "flannel.1");
    await cluster.on(0, "rm", running.subnetFile);
    const again = cluster.start(0);
    await again.ready(signal);
    const mac = (text: string) => (JSON.parse(text) as [{ address: string }])[0].address;
    assert.equal(mac(await cluster.on(0, "ip", "-j", "link", "show", "flannel.1")), mac(before));
    assert.equal(readFileSync(again.subnetFile, "utf8"), file);
    await again.stop(signal);
  });

  it("removes what a peer left behind that went away meanwhile, and nothing foreign", async () => {
    const stale = "10.5.222.0";
    await cluster.on(
      0,
      "ip",
      "neigh",
      "replace",
      stale,
      "lladdr",
      "02:00:00:00:02:22",
      "dev",
      "flannel.1",
      "nud",
      "permanent",
    );
    await cluster.on(
      0,
      "bridge",
      "fdb",
      "append",
      "02:00:00:00:02:22",
      "dev",
      "flannel.1",
      "dst",
      "192.168.77.222",
      "self",
      "permanent",
    );
    await cluster.on(0, "ip", "route", "add", `${stale}/24`, "via", stale, "dev", "flannel.1", "onlink");
    await cluster.on(0, "ip", "route", "add", "10.77.0.0/16", "via", "192.168.77.1");
    const again = cluster.start(0);
    await again.ready(signal);
    await waitFor(
      "the stale entries to go",
      async () => ((await overlayState()).includes("222") ? null : true),
      seconds(10),
      signal,
    );
    assert.match(await cluster.on(0, "ip", "route"), /^10\.77\.0\.0\/16 via 192\.168\.77\.1/m);
    await again.stop(signal);
  });

  it("takes over the entries of the Go daemon in place", async () => {
    const before = await overlayState();
    const peer = /^(\S+)\/24 via/m.exec(await cluster.on(0, "ip", "route", "show", "dev", "flannel.1"))?.[1] ?? "";
    // As the Go daemon leaves it: the same route, of protocol boot.
    await cluster.on(0, "ip", "route", "del", `${peer}/24`);
    await cluster.on(0, "ip", "route", "add", `${peer}/24`, "via", peer, "dev", "flannel.1", "onlink");
    const again = cluster.start(0);
    await again.ready(signal);
    await waitFor("our own route", async () => ((await overlayState()) === before ? true : null), seconds(10), signal);
    await again.stop(signal);
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
});
