import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Flanneld } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { Json } from "../../src/base/json.ts";
import { UDP, VXLAN } from "../support/backend-profiles.ts";
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
    await cluster.on(0, "sh", "-c", JSON.parse(command) as string);
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
    assert.match(routes, /^10\.5\.202\.0\/24 via 10\.5\.202\.0 dev flannel\.1 proto 70 scope \d+ onlink\s*$/m);
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

describe("a network config that changes while daemons run", () => {
  const vxlan = (backend: Readonly<Record<string, Json>>, more: Readonly<Record<string, Json>> = {}) =>
    JSON.stringify({ ...VXLAN.config, ...more, Backend: { Type: "vxlan", ...backend } });
  let cluster: Cluster;
  let daemon: Flanneld;
  before(async () => {
    cluster = await openCluster(2, VXLAN.config, signal);
    daemon = (await cluster.startAll({ flags: ["--healthz-port=8081"] }))[0] as Flanneld;
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const shell = (line: string) => cluster.on(0, "sh", "-c", line);
  const put = (text: string) => cluster.etcdctl("put", `${PREFIX}/config`, text);
  const shows = (command: string, pattern: RegExp) => {
    const look = async () => (pattern.test(await shell(command)) ? true : null);
    return waitFor(`${pattern} by ${command}`, look, LIMIT, signal);
  };
  const ready = `node -e 'fetch("http://127.0.0.1:8081/readyz").then(async (r) => console.log(await r.text()))'`;

  it("in what is safe is followed at once: DirectRouting, MTU and a wider Network", async () => {
    await put(vxlan({ DirectRouting: true }));
    await shows("ip route", /^10\.5\.\d+\.0\/24 via 192\.168\.77\.12 dev eth0 proto 70/m);
    await put(vxlan({ DirectRouting: false, MTU: 1400 }));
    await shows("ip route", /^10\.5\.\d+\.0\/24 via 10\.5\.\d+\.0 dev flannel\.1 proto 70 scope \d+ onlink/m);
    await shows("ip link show flannel.1", / mtu 1350 /);
    await shows(`cat ${daemon.subnetFile}`, /^FLANNEL_MTU=1350$/m);
    await put(vxlan({}, { Network: "10.4.0.0/15", SubnetMax: "10.5.199.0" }));
    await shows(`cat ${daemon.subnetFile}`, /^FLANNEL_NETWORK=10\.4\.0\.0\/15$/m);
    await daemon.waitForLog(/the network config has changed and is followed.*changed=.*Network/, LIMIT, signal);
    await put(vxlan({}));
    await daemon.waitForLog(/what needs a restart.*changed=Network/, LIMIT, signal);
    await put(vxlan({}, { Network: "10.4.0.0/15", SubnetMax: "10.5.199.0" }));
  });

  for (const [what, text, says] of [
    ["of the port", vxlan({ Port: 9999 }), /restart flanneld to follow .*Backend\.Port/],
    ["of the backend", JSON.stringify(UDP.config), /restart flanneld to follow .*Backend\.Type/],
    ["of SubnetLen", vxlan({}, { SubnetLen: 26, SubnetMax: "10.5.199.0" }), /restart flanneld to follow .*SubnetLen/],
    ["that makes no sense", "{", /network config in etcd at .*line 1, column 2.*; the old one stays in force/],
  ] as const) {
    it(`${what} is told, and the old one stays in force`, async () => {
      const state = "ip -d -o link show flannel.1; ip route; bridge fdb show dev flannel.1";
      const before = await shell(state);
      await put(text);
      await shows(ready, says);
      assert.equal(await shell(state), before);
      assert.ok(daemon.running());
    });
  }

  it("that is deleted is told, and the old one stays in force", async () => {
    await cluster.etcdctl("del", `${PREFIX}/config`);
    await shows(ready, /flanneld is ready, but degraded: network-config: the network config is gone from etcd/);
    await put(vxlan({}, { Network: "10.4.0.0/15", SubnetMax: "10.5.199.0" }));
    await shows(ready, /^flanneld is ready\s*$/);
  });
});
