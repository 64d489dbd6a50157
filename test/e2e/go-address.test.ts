import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";

const { signal } = new AbortController();
const MAC = "c6:d2:32:00:00:01";
const VIP = "192.168.77.100";
let cluster: Cluster;

before(async () => {
  cluster = await openCluster(1, VXLAN.config, signal);
});
after(async () => cluster?.[Symbol.asyncDispose]());

function record(publicIp: string): string {
  const data = `{"VNI":1,"VtepMAC":"${MAC}"}`;
  return `{"PublicIP":"${publicIp}","PublicIPv6":null,"BackendType":"vxlan","BackendData":${data}`;
}

describe("a host on which a Go daemon has run with a static VIP beside the DHCP address", () => {
  it("keeps its subnet and its MAC, and announces the interface's own address", async () => {
    const [host] = cluster.hosts;
    assert.ok(host);
    const lifetime = ["valid_lft", "36000", "preferred_lft", "36000"];
    await cluster.on(0, "ip", "addr", "change", "192.168.77.11/24", "dev", "eth0", ...lifetime);
    await cluster.on(0, "ip", "addr", "add", `${VIP}/24`, "dev", "eth0");
    const vxlan = ["type", "vxlan", "id", "1", "dev", "eth0", "local", VIP, "dstport", "8472", "nolearning"];
    await cluster.on(0, "ip", "link", "add", "flannel.1", "address", MAC, "mtu", "1450", ...vxlan);
    const granted = await cluster.etcdctl("lease", "grant", "86400");
    const [, lease = ""] = /^lease ([0-9a-f]+) /.exec(granted) ?? [];
    const key = `${PREFIX}/subnets/10.5.150.0-24`;
    await cluster.etcdctl("put", `--lease=${lease}`, key, `${record(VIP)}}`);
    const left = ["FLANNEL_NETWORK=10.5.0.0/16", "FLANNEL_SUBNET=10.5.150.1/24", "FLANNEL_MTU=1450"];
    writeFileSync(`${host.directory}/subnet.env`, `${[...left, "FLANNEL_IPMASQ=false"].join("\n")}\n`);

    const daemon = cluster.start(0, { choosesInterface: true });
    await daemon.ready(signal);
    const keys = await cluster.etcdctl("get", "--prefix", "--keys-only", `${PREFIX}/subnets/`);
    assert.equal(keys.trim(), key);
    const now = await cluster.etcdctl("get", "--print-value-only", key);
    assert.ok(now.startsWith(record("192.168.77.11")), now);
    assert.match(await cluster.on(0, "ip", "-d", "link", "show", "flannel.1"), /local 192\.168\.77\.11 /);
    await daemon.stop(signal);
  });
});
