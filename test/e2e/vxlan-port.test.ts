// The firewall that docs/firewall.md advises in front of vxlan: hosts of the network go through, nobody else does.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { isAnswered } from "../../lab/ping.ts";
import { inNamespace, type Machine } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { type Mac, macOctets } from "../../src/base/mac.ts";
import { VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";
import { LIMIT } from "../support/overlay-host.ts";
import { echoRequest, openRawPeer } from "../support/raw-peer.ts";
import { startTraffic } from "../support/traffic.ts";

const { signal } = new AbortController();
const DOCUMENT = join(import.meta.dirname, "../../../docs/firewall.md");
const ETHERNET = 14;
const SPOOFED = "10.5.66.6";

let cluster: Cluster;
let stranger: Machine;
let pods: readonly [Pod, Pod];

before(async () => {
  // The third host has no daemon.
  cluster = await openCluster(3, VXLAN.config, signal);
  stranger = cluster.hosts[2] ?? assert.fail();
  const daemons: readonly Flanneld[] = [cluster.start(0), cluster.start(1)];
  for (const daemon of daemons) await daemon.ready(signal);
  const made = daemons.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal));
  pods = (await Promise.all(made)) as [Pod, Pod];
  const look = () => isAnswered(pods[0].namespace, pods[1].address, signal);
  await waitFor("an answer to a ping", look, LIMIT, signal);
  const count = `table ip seen { chain input { type filter hook input priority 0; ip saddr ${SPOOFED} counter; }; }`;
  await cluster.on(0, ...inNamespace(pods[0].namespace, ["nft", count]));
});
after(async () => cluster?.[Symbol.asyncDispose]());

/** The document's own rules, for these addresses. */
function documentedRules(hosts: readonly Machine[]): string {
  const [, rules = ""] = /```nft\n([\s\S]*?)```/.exec(readFileSync(DOCUMENT, "utf8")) ?? [];
  assert.match(rules, /192\.0\.2\.0\/28/);
  return rules.replace("192.0.2.0/28", hosts.map(({ address }) => address).join(", "));
}

async function counted(host: readonly string[]): Promise<number> {
  const text = await cluster.on(0, ...host);
  return Number(/counter packets (\d+)/.exec(text)?.[1]);
}
/** How many packets with the spoofed source have come to the pod, and how many were dropped before the tunnel. */
const arrived = () => counted(inNamespace(pods[0].namespace, ["nft", "list", "table", "ip", "seen"]));
const dropped = () => counted(["nft", "list", "table", "inet", "flannel-hosts"]);

/** As the peer of a vxlan device sends it: an echo request to the first pod in a frame to its host's device. */
async function spoofedDatagram(): Promise<Buffer> {
  const [link] = JSON.parse(await cluster.on(0, "ip", "-j", "link", "show", "flannel.1")) as [{ address: Mac }];
  const header = Buffer.from([0x08, 0, 0, 0, 0, 0, 1, 0]);
  const ethernet = Buffer.alloc(ETHERNET);
  ethernet.set(macOctets(link.address), 0);
  ethernet.set([2, 0, 0, 0, 6, 6], 6);
  ethernet.writeUInt16BE(0x0800, 12);
  const packet = echoRequest({ source: SPOOFED, destination: pods[0].address, ttl: 9, id: 66 });
  return Buffer.concat([header, ethernet, packet]);
}

describe("the port of vxlan", () => {
  it("takes packets from anybody, as long as nobody forbids it", async () => {
    using peer = await openRawPeer(stranger.namespace, stranger.address, 8472, signal);
    const datagram = await spoofedDatagram();
    const before = await arrived();
    const look = async () => {
      peer.send(cluster.hosts[0]?.address ?? "", 8472, datagram);
      return (await arrived()) > before ? true : null;
    };
    await waitFor("a packet with a source of nobody", look, LIMIT, signal);
  });

  it("takes them from hosts only with the documented rules, which cost the hosts not one packet", async () => {
    const pinging = await startTraffic(pods[0].namespace, pods[1].address);
    await cluster.on(0, "nft", documentedRules(cluster.hosts.slice(0, 2)));
    using peer = await openRawPeer(stranger.namespace, stranger.address, 8472, signal);
    const datagram = await spoofedDatagram();
    const before = await arrived();
    const look = async () => {
      peer.send(cluster.hosts[0]?.address ?? "", 8472, datagram);
      return (await dropped()) >= 20 ? true : null;
    };
    await waitFor("twenty of them to be dropped", look, seconds(90), signal);
    assert.equal(await arrived(), before);
    // The same rules again, as nftables.service reads them at a reload.
    await cluster.on(0, "nft", documentedRules(cluster.hosts.slice(0, 2)));
    const { sent, lost } = await pinging.stop();
    assert.ok(sent > 20, `${sent} sent`);
    assert.deepEqual(lost, [], `of ${sent}`);
  });

  it("lets a host in whose address is added to them", async () => {
    await cluster.on(0, "nft", documentedRules(cluster.hosts));
    const before = await arrived();
    using peer = await openRawPeer(stranger.namespace, stranger.address, 8472, signal);
    peer.send(cluster.hosts[0]?.address ?? "", 8472, await spoofedDatagram());
    await waitFor("the packet", async () => ((await arrived()) > before ? true : null), LIMIT, signal);
  });
});
