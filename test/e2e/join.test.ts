import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { listenForNotifications, type NotifyListener } from "../../lab/notify.ts";
import { isAnswered, ping } from "../../lab/ping.ts";
import { waitFor } from "../../lab/wait.ts";
import { type BackendProfile, PROFILES } from "../support/backend-profiles.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";
import { createOverlayHost, LIMIT, type OverlayHost } from "../support/overlay-host.ts";

const { signal } = new AbortController();

function suite(profile: BackendProfile): void {
  let cluster: Cluster;
  let host: OverlayHost;
  let listener: NotifyListener;
  let daemons: readonly Flanneld[];
  let subnetFileAtReady = "";

  before(async () => {
    cluster = await openCluster(3, profile.config, signal);
    host = createOverlayHost(cluster, profile, signal);
    listener = await listenForNotifications(cluster.topology.run.directory, signal);
    const first = cluster.start(0, { environment: { NOTIFY_SOCKET: listener.socket }, flags: ["--healthz-port=8081"] });
    await listener.waitFor(/READY=1/, signal);
    subnetFileAtReady = readFileSync(first.subnetFile, "utf8");
    const others = [cluster.start(1), cluster.start(2)];
    daemons = [first, ...others];
    await Promise.all(daemons.map((daemon) => daemon.ready(signal)));
  });

  after(async () => {
    listener?.[Symbol.dispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  it("let every pod reach every other by its own address, in packets of the full overlay MTU", async () => {
    const pods = await Promise.all(
      daemons.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal)),
    );
    const pairs = pods.flatMap((from) => pods.filter((to) => to !== from).map((to): [Pod, Pod] => [from, to]));
    for (const [from, to] of pairs) {
      // Each host is ready for itself; of the others it hears a moment later.
      const look = () => isAnswered(from.namespace, to.address, signal);
      await waitFor(`the way from ${from.name} to ${to.name}`, look, LIMIT, signal);
      const { received } = await ping(from.namespace, to.address, { count: 3, waitSeconds: 5 }, signal);
      assert.equal(received, 3, `${from.name} to ${to.name}`);
    }
    // Beside the payload there are 8 octets of ICMP and 20 of IPv4 header. It must pass unfragmented, and one more not.
    const [from, to] = pairs[0] as [Pod, Pod];
    const full = ["ip", "netns", "exec", from.namespace, "ping", "-n", "-c1", "-W5", "-Mdo"];
    assert.equal((await cluster.tryOn(0, ...full, `-s${profile.mtu - 28}`, to.address)).status, 0);
    assert.notEqual((await cluster.tryOn(0, ...full, `-s${profile.mtu - 27}`, to.address)).status, 0);
  });

  it("have a subnet file with the exact bytes that the CNI plugin and Docker expect", () => {
    const file = daemons[1]?.subnetFile ?? "";
    const expected = `^FLANNEL_NETWORK=10\\.5\\.0\\.0/16\nFLANNEL_SUBNET=10\\.5\\.\\d+\\.1/24\nFLANNEL_MTU=${profile.mtu}\nFLANNEL_IPMASQ=false\n$`;
    assert.match(readFileSync(file, "utf8"), new RegExp(expected));
    assert.equal(statSync(file).mode & 0o777, 0o644);
  });

  it("tell systemd READY=1 once, after the subnet file is written and the kernel is programmed", () => {
    assert.match(subnetFileAtReady, /FLANNEL_SUBNET=/);
    assert.equal(listener.received.filter(({ text }) => text.includes("READY=1")).length, 1);
  });

  it("tell systemd in a line what they do, and are flanneld in the list of processes", async () => {
    await listener.waitFor(/^STATUS=10\.5\.\d+\.0\/24 by [a-z-]+, 2 peers$/, signal);
    assert.equal(readFileSync(`/proc/${daemons[0]?.pid}/comm`, "utf8"), "flanneld\n");
  });

  it("write to etcd byte for byte what the Go daemon writes, and behind that the id of the host", async () => {
    const value = await cluster.etcdctl("get", "--print-value-only", host.ownKey());
    const [, id] = /,"NodeID":"([0-9a-f]{32})"\}\n$/.exec(value) ?? [];
    assert.ok(id);
    assert.equal(value.replace(`,"NodeID":"${id}"`, ""), `${profile.record(await host.peer(0))}\n`);
  });

  it("hold leases of 24 hours", async () => {
    const record = await cluster.etcdctl("get", "-w", "json", host.ownKey());
    const leaseId = BigInt(/"lease":(\d+)/.exec(record)?.[1] ?? 0).toString(16);
    const text = await cluster.etcdctl("lease", "timetolive", leaseId);
    assert.match(text, /granted with TTL\(86400s\)/);
  });

  it("have the kernel objects that operators know, and no route besides", async () => {
    const peers = await Promise.all([1, 2].map(host.peer));
    const state = await host.shows([...profile.ownLines(await host.peer(0)), ...peers.flatMap(profile.peerLines)]);
    const routes = state.split("\n").filter((line) => / via .* proto 70/.test(line));
    assert.equal(routes.length, peers.flatMap(profile.peerLines).length > 0 ? peers.length : 0, state);
  });

  it("say over HTTP that they are running and ready", async () => {
    const get = (path: string) =>
      cluster.on(
        0,
        "node",
        "-e",
        `fetch("http://127.0.0.1:8081${path}").then(async (r) => console.log(r.status, await r.text()))`,
      );
    assert.equal(await get("/healthz"), "200 flanneld is running\n");
    assert.equal(await get("/readyz"), "200 flanneld is ready\n");
    assert.match(await get("/other"), /^404 /);
  });

  it("log plain lines that can be grepped, without colours and without secrets", () => {
    const log = daemons[1]?.log() ?? "";
    assert.match(log, /^\S+Z INFO {2}flannel is ready .*subnet=10\.5\.\d+\.0\/24/m);
    assert.ok(!log.includes("\u001b"));
  });
}

for (const profile of PROFILES) describe(`three hosts with ${profile.type}`, () => suite(profile));
