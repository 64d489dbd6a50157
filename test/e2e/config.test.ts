import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";

const { signal } = new AbortController();
const LIMIT = seconds(20);

function on(cluster: Cluster, command: string): Promise<string> {
  return cluster.on(0, ...command.split(" "));
}

describe("a daemon that starts before its network config", () => {
  it("waits for it, says what is missing and how to write it, and goes on when it is there", async () => {
    await using cluster = await openCluster(1, null, signal);
    const daemon = cluster.start(0, { flags: ["--healthz-port=8081"] });
    const line = await daemon.waitForLog(/waiting for the network config/, LIMIT, signal);
    assert.match(line, /there is no network config at \/coreos\.com\/network\/config/);
    assert.match(line, /etcdctl put \/coreos\.com\/network\/config/);
    const ready = `fetch("http://127.0.0.1:8081/readyz").then(async (r) => console.log(r.status, await r.text()))`;
    assert.match(await cluster.on(0, "node", "-e", ready), /^503 .*config/);
    await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(VXLAN.config));
    await daemon.ready(signal);
  });

  it("finds one that was written through etcd's v2 API and prints the command that writes it again", async () => {
    await using cluster = await openCluster(1, null, signal, { v2: true });
    const config = `{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}`;
    const script = `fetch("${cluster.endpoint}/v2/keys${PREFIX}/config", { method: "PUT", body: new URLSearchParams({ value: ${JSON.stringify(config)} }) }).then((r) => console.log(r.status))`;
    assert.equal(await cluster.on(0, "node", "-e", script), "201\n");
    const daemon = cluster.start(0);
    const line = await daemon.waitForLog(/v2 store/, LIMIT, signal);
    const command = /hint=("(?:[^"\\]|\\.)*")/.exec(line)?.[1] ?? '""';
    // Copied into a shell on any host, it is all that there is to do.
    const words = (JSON.parse(command) as string).replace("etcdctl", `etcdctl --endpoints=${cluster.endpoint}`);
    await cluster.on(0, "sh", "-c", words);
    await daemon.ready(signal);
  });

  it("logs the password of its etcd user in no line", async () => {
    await using cluster = await openCluster(1, VXLAN.config, signal);
    const flags = ["--etcd-username=flannel", "--etcd-password=s3cret-word", "-v=1"];
    for (const more of [[], ["--log-format=json"]]) {
      const daemon = cluster.start(0, { flags: [...flags, ...more] });
      await daemon.ready(signal);
      assert.doesNotMatch(daemon.log(), /s3cret/);
      await daemon.stop(signal);
    }
  });

  it("is not left to Node's debugger by SIGUSR1 while it waits", async () => {
    await using cluster = await openCluster(1, null, signal);
    const daemon = cluster.start(0);
    await daemon.waitForLog(/waiting for the network config/, LIMIT, signal);
    process.kill(daemon.pid, "SIGUSR1");
    await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(VXLAN.config));
    await daemon.ready(signal);
    assert.doesNotMatch(daemon.log(), /Debugger/);
    assert.doesNotMatch(await cluster.on(0, "ss", "-ltn"), /:9229 /);
  });

  it("ends in order on SIGTERM while it waits", async () => {
    await using cluster = await openCluster(1, null, signal);
    const daemon = cluster.start(0);
    await daemon.waitForLog(/waiting for the network config/, LIMIT, signal);
    assert.equal(await daemon.stop(signal), 0);
  });
});

describe("the underlay", () => {
  it("behind NAT: the public address is announced, the interface's own is the tunnel's end", async () => {
    await using cluster = await openCluster(1, VXLAN.config, signal);
    await cluster.start(0, { flags: ["--public-ip=203.0.113.9"] }).ready(signal);
    assert.match(await cluster.etcdctl("get", "--prefix", `${PREFIX}/subnets/`), /"PublicIP":"203\.0\.113\.9"/);
    assert.match(await on(cluster, "ip -d link show flannel.1"), /local 192\.168\.77\.11 dev eth0/);
  });

  it("with DirectRouting: peers on the link get a route to their own address, others the tunnel", async () => {
    const config = { Network: "10.5.0.0/16", Backend: { Type: "vxlan", DirectRouting: true } };
    await using cluster = await openCluster(1, config, signal);
    const record = (ip: string, mac: string) =>
      `{"PublicIP":"${ip}","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"${mac}"}}`;
    await cluster.etcdctl("put", `${PREFIX}/subnets/10.5.201.0-24`, record("192.168.77.201", "02:00:00:00:02:01"));
    await cluster.etcdctl("put", `${PREFIX}/subnets/10.5.202.0-24`, record("172.30.0.1", "02:00:00:00:02:02"));
    await cluster.start(0).ready(signal);
    const routes = await waitFor(
      "both routes",
      async () => {
        const text = await on(cluster, "ip route");
        return text.includes("10.5.201.0/24") && text.includes("10.5.202.0/24") ? text : null;
      },
      LIMIT,
      signal,
    );
    assert.match(routes, /^10\.5\.201\.0\/24 via 192\.168\.77\.201 dev eth0 proto 70\s*$/m);
    assert.match(routes, /^10\.5\.202\.0\/24 via 10\.5\.202\.0 dev flannel\.1 proto 70 onlink\s*$/m);
  });

  it("gives the device the VNI, port and MTU of the config", async () => {
    const Backend = { Type: "vxlan", VNI: 7, Port: 4789, MTU: 1400, GBP: true, Learning: true };
    await using cluster = await openCluster(1, { Network: "10.5.0.0/16", Backend }, signal);
    await cluster.start(0).ready(signal);
    const link = await on(cluster, "ip -d link show flannel.7");
    assert.match(link, /mtu 1350 /);
    assert.match(link, /vxlan id 7 .* dstport 4789 (?!nolearning).*gbp/);
  });
});
