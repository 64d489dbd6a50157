// Pods by flannel's own CNI plugin, which reads subnet.env itself. Debian 11 was the last to have it; the bridge and
// host-local plugins that it calls are this machine's.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { unpackDebian } from "../../lab/debian-files.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { ping } from "../../lab/ping.ts";
import { run } from "../../lab/run.ts";
import { inNamespace, ipBatch } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";
import { CACHE } from "../support/packages.ts";

const { signal } = new AbortController();
const FILES = { release: "bullseye", packages: ["containernetworking-plugins"] };
const PLUGINS = join(CACHE, "cni-bullseye");
const DIRECTORIES = [join(PLUGINS, "usr/lib/cni"), "/usr/lib/cni", "/opt/cni/bin"];

interface Result {
  readonly ips: readonly { readonly address: string; readonly gateway: string }[];
  readonly routes: readonly { readonly dst: string }[];
}

describe("flannel's CNI plugin", () => {
  let cluster: Cluster;
  let daemons: readonly Flanneld[];

  const call = async (command: "ADD" | "DEL", index: number): Promise<string> => {
    const { host, subnetFile } = daemons[index] as Flanneld;
    const pod = `${host.namespace}-pod`;
    if (command === "ADD") await ipBatch(null, [`netns add ${pod}`], signal);
    const config = {
      ...{ cniVersion: "0.3.1", name: "cbr0", type: "flannel", subnetFile, dataDir: join(host.directory, "flannel") },
      delegate: { hairpinMode: true, isDefaultGateway: true },
      ipam: { dataDir: join(host.directory, "cni") },
    };
    const env = {
      ...{ CNI_COMMAND: command, CNI_CONTAINERID: pod, CNI_NETNS: `/run/netns/${pod}`, CNI_IFNAME: "eth0" },
      CNI_PATH: DIRECTORIES.join(":"),
    };
    const plugin = inNamespace(host.namespace, [join(PLUGINS, "usr/lib/cni/flannel")]);
    return (await run(plugin, { input: JSON.stringify(config), env }, signal)).stdout;
  };
  const inPod = async (index: number, ...command: string[]) => {
    const pod = `${(daemons[index] as Flanneld).host.namespace}-pod`;
    return (await run(inNamespace(pod, command), {}, signal)).stdout;
  };

  before(async () => {
    await unpackDebian(FILES, PLUGINS, signal);
    cluster = await openCluster(2, { Network: "10.5.0.0/16", Backend: { Type: "vxlan" } }, signal);
    daemons = await cluster.startAll({ flags: ["--ip-masq"] });
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  it("makes pods of what our subnet.env says, which reach each other across hosts", async () => {
    const results = [JSON.parse(await call("ADD", 0)), JSON.parse(await call("ADD", 1))] as [Result, Result];
    for (const [index, { ips, routes }] of results.entries()) {
      assert.equal(ips.length, 1);
      assert.match(ips[0]?.address ?? "", /^10\.5\.\d+\.2\/24$/);
      assert.equal(ips[0]?.gateway, ips[0]?.address.replace(/\.2\/24$/, ".1"));
      assert.ok(
        routes.some(({ dst }) => dst === "10.5.0.0/16"),
        JSON.stringify(routes),
      );
      assert.match(await inPod(index, "ip", "link", "show", "eth0"), / mtu 1450 /);
    }
    // Who masquerades is flanneld, as subnet.env says: the plugin then tells the bridge not to.
    assert.doesNotMatch(await cluster.on(0, "iptables-save", "-t", "nat"), /CNI-/);
    const to = results[1].ips[0]?.address.replace("/24", "") ?? "";
    const pod = `${(daemons[0] as Flanneld).host.namespace}-pod`;
    const isOpen = async () => (await ping(pod, to, { count: 1 }, signal)).received > 0 || null;
    await waitFor("the way to the other pod", isOpen, seconds(60), signal);
    const { received } = await ping(pod, to, { count: 3, waitSeconds: 5 }, signal);
    assert.equal(received, 3);
  });

  it("takes its pods away again", async () => {
    await call("DEL", 0);
    assert.doesNotMatch(await inPod(0, "ip", "-o", "link"), / eth0@/);
  });
});
