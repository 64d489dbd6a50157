// What befalls one family of a dual-stack host, and what the other makes of it: it goes on.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { isAnswered } from "../../lab/ping.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";
import { LIMIT } from "../support/overlay-host.ts";
import { startTraffic } from "../support/traffic.ts";

const { signal } = new AbortController();

const CONFIG = {
  Network: "10.5.0.0/16",
  SubnetMax: "10.5.199.0",
  EnableIPv6: true,
  IPv6Network: "fd00:10:5::/48",
  IPv6SubnetMax: "fd00:10:5:c7::",
  Backend: { Type: "vxlan" },
};

describe("a host whose IPv6 address is from DHCPv6, and alone in its prefix", () => {
  it("reaches the hosts with host-gw that are on the link by what the router says", async () => {
    const config = { ...CONFIG, EnableIPv4: false, Backend: { Type: "host-gw" } };
    await using cluster = await openCluster(2, config, signal, { ipv6: true });
    for (const [index, { address6 }] of cluster.hosts.entries()) {
      const lines = [
        `ip addr del ${address6}/64 dev eth0; ip addr add ${address6}/128 dev eth0 nodad`,
        "ip -6 route add fd77::/64 dev eth0 proto ra",
      ];
      await cluster.on(index, "sh", "-ec", lines.join("; "));
    }
    const daemons = await cluster.startAll();
    const made = daemons.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal));
    const [from, to] = (await Promise.all(made)) as [Pod, Pod];
    const address = to.address6 ?? assert.fail("no IPv6 address");
    const look = () => isAnswered(from.namespace, address, signal);
    await waitFor(`an answer of ${address}`, look, LIMIT, signal);
  });
});

describe("a host of both families", () => {
  let cluster: Cluster;
  let daemon: Flanneld;
  let pods: readonly [Pod, Pod];

  before(async () => {
    cluster = await openCluster(2, CONFIG, signal, { ipv6: true });
    const daemons = await cluster.startAll();
    daemon = daemons[0] as Flanneld;
    const made = daemons.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal));
    pods = (await Promise.all(made)) as [Pod, Pod];
    await reach("ipv4", "ipv6");
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const shell = (line: string) => cluster.on(0, "sh", "-c", line);
  const addressOf = (pod: Pod, family: "ipv4" | "ipv6") =>
    family === "ipv4" ? pod.address : (pod.address6 ?? assert.fail("no IPv6 address"));

  /** Waits until the pods reach each other in both directions. */
  async function reach(...families: readonly ("ipv4" | "ipv6")[]): Promise<void> {
    for (const [from, to] of [pods, pods.toReversed()] as readonly (readonly [Pod, Pod])[]) {
      for (const address of families.map((family) => addressOf(to, family))) {
        const look = () => isAnswered(from.namespace, address, signal);
        await waitFor(`${from.name} to ${address}`, look, LIMIT, signal);
      }
    }
  }

  it("has IPv4 back while IPv6 is switched off on the underlay, and IPv6 once it is on again", async () => {
    // Kernel: such an interface carries no new vxlan device of IPv6.
    await shell("echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6; ip link del flannel-v6.1; ip link del flannel.1");
    await daemon.waitForLog(/refused create link flannel-v6\.1: EPERM/, LIMIT, signal);
    await reach("ipv4");
    await shell("ip route flush dev flannel.1");
    await reach("ipv4");
    await shell("echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6; ip addr replace fd77::11/64 dev eth0 nodad");
    await reach("ipv4", "ipv6");
  });

  it("follows another IPv4 address while the underlay has no IPv6, and IPv6 once it is there again", async () => {
    await shell("echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6");
    await shell("ip addr add 192.168.77.111/24 dev eth0; ip addr del 192.168.77.11/24 dev eth0");
    await shell("ip addr replace 192.168.77.111/24 dev eth0; ip route replace default via 192.168.77.1");
    await daemon.waitForLog(/is followed dev=eth0 .*publicIp=192\.168\.77\.111 /, LIMIT, signal);
    await reach("ipv4");
    await shell("echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6; ip addr replace fd77::11/64 dev eth0 nodad");
    await reach("ipv4", "ipv6");
  });

  it("loses no packet when the underlay has another name for a while", async (t) => {
    const [from, to] = pods;
    const addresses = [to.address, addressOf(to, "ipv6")];
    const traffics = await Promise.all(addresses.map((address) => startTraffic(from.namespace, address)));
    // Kernel: since Linux 6.2 an interface may be given another name while it is up.
    const renamed = await cluster.tryOn(0, "ip", "link", "set", "eth0", "name", "wan0");
    if (renamed.status !== 0) t.skip("the kernel renames no interface that is up");
    else {
      await daemon.waitForLog(/refused replace link flannel\.1: ENODEV/, LIMIT, signal);
      await shell("ip link set wan0 name eth0");
    }
    for (const traffic of traffics) {
      const { sent, lost } = await traffic.stop();
      assert.deepEqual(lost, [], `of ${sent}`);
    }
    await reach("ipv4", "ipv6");
  });
});
