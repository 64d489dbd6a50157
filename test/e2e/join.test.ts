import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { listenForNotifications, type NotifyListener } from "../../lab/notify.ts";
import { ping } from "../../lab/ping.ts";
import { type Cluster, openCluster, PREFIX, VXLAN_CONFIG } from "../support/cluster.ts";

const { signal } = new AbortController();
let cluster: Cluster;
let listener: NotifyListener;
let daemons: readonly Flanneld[];
let subnetFileAtReady = "";

before(async () => {
  cluster = await openCluster(3, VXLAN_CONFIG, signal);
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

/** What subnet.env of a host says, by key. */
function subnetEnv(host: number): ReadonlyMap<string, string> {
  const text = readFileSync(daemons[host]?.subnetFile ?? "", "utf8");
  return new Map(
    text
      .trimEnd()
      .split("\n")
      .map((line) => line.split("=") as [string, string]),
  );
}

/** "10.5.7.0" for the host that leases 10.5.7.0/24. */
function subnetBase(host: number): string {
  return (subnetEnv(host).get("FLANNEL_SUBNET") ?? "").replace(/\.1\/24$/, ".0");
}

async function macOf(host: number): Promise<string> {
  const [link] = JSON.parse(await cluster.on(host, "ip", "-j", "link", "show", "flannel.1")) as [{ address: string }];
  return link.address;
}

describe("three hosts", () => {
  it("let every pod reach every other by its own address, in packets of the full overlay MTU", async () => {
    const pods = await Promise.all(
      daemons.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal)),
    );
    const pairs = pods.flatMap((from) => pods.filter((to) => to !== from).map((to): [Pod, Pod] => [from, to]));
    for (const [from, to] of pairs) {
      const { received } = await ping(from.namespace, to.address, { count: 3, waitSeconds: 5 }, signal);
      assert.equal(received, 3, `${from.name} to ${to.name}`);
    }
    // 1450 octets are 1422 of payload, 8 of ICMP and 20 of IPv4 header; they must pass unfragmented, and one more not.
    const [from, to] = pairs[0] as [Pod, Pod];
    const full = ["ip", "netns", "exec", from.namespace, "ping", "-n", "-c1", "-W5", "-Mdo"];
    assert.equal((await cluster.tryOn(0, ...full, "-s1422", to.address)).status, 0);
    assert.notEqual((await cluster.tryOn(0, ...full, "-s1423", to.address)).status, 0);
  });

  it("have a subnet file with the exact bytes that the CNI plugin and Docker expect", () => {
    const text = readFileSync(daemons[1]?.subnetFile ?? "", "utf8");
    const expected =
      /^FLANNEL_NETWORK=10\.5\.0\.0\/16\nFLANNEL_SUBNET=10\.5\.\d+\.1\/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n$/;
    assert.match(text, expected);
    assert.equal(statSync(daemons[1]?.subnetFile ?? "").mode & 0o777, 0o644);
  });

  it("tell systemd READY=1 once, after the subnet file is written and the device is up", () => {
    assert.match(subnetFileAtReady, /FLANNEL_SUBNET=/);
    assert.equal(listener.received.filter(({ text }) => text.includes("READY=1")).length, 1);
  });

  it("write to etcd byte for byte what the Go daemon writes", async () => {
    const mac = await macOf(0);
    const address = cluster.hosts[0]?.address;
    const value = await cluster.etcdctl("get", "--print-value-only", `${PREFIX}/subnets/${subnetBase(0)}-24`);
    const data = `"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"${mac}"}`;
    assert.equal(value, `{"PublicIP":"${address}","PublicIPv6":null,${data}}\n`);
  });

  it("hold leases of 24 hours", async () => {
    const record = await cluster.etcdctl("get", "-w", "json", `${PREFIX}/subnets/${subnetBase(0)}-24`);
    const leaseId = BigInt(/"lease":(\d+)/.exec(record)?.[1] ?? 0).toString(16);
    const text = await cluster.etcdctl("lease", "timetolive", leaseId);
    assert.match(text, /granted with TTL\(86400s\)/);
  });

  it("have the kernel objects that operators know", async () => {
    const link = await cluster.on(0, "ip", "-d", "link", "show", "flannel.1");
    const local = cluster.hosts[0]?.address ?? "";
    assert.match(link, /mtu 1450/);
    assert.match(link, new RegExp(`vxlan id 1 local ${local} dev eth0 srcport 0 0 dstport 8472 nolearning`));
    assert.match(link, /<BROADCAST,MULTICAST,UP,LOWER_UP>/);
    assert.match(
      await cluster.on(0, "ip", "-4", "addr", "show", "flannel.1"),
      new RegExp(`inet ${subnetBase(0)}/32 scope global`),
    );

    const routes = await cluster.on(0, "ip", "route", "show", "dev", "flannel.1");
    const neighbours = await cluster.on(0, "ip", "neigh", "show", "dev", "flannel.1");
    const fdb = await cluster.on(0, "bridge", "fdb", "show", "dev", "flannel.1");
    for (const peer of [1, 2]) {
      const base = subnetBase(peer);
      const mac = await macOf(peer);
      assert.match(routes, new RegExp(`^${base}/24 via ${base} proto 70 onlink\\s*$`, "m"));
      assert.match(neighbours, new RegExp(`^${base} lladdr ${mac} PERMANENT\\s*$`, "m"));
      assert.match(fdb, new RegExp(`^${mac} dst ${cluster.hosts[peer]?.address} self permanent\\s*$`, "m"));
    }
    assert.equal(routes.trim().split("\n").length, 2);
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
});
