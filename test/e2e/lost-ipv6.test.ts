// A dual-stack host whose record expires while it runs, when another host has leased its IPv6 subnet beside another IPv4
// one: it goes on with IPv4 and carries nothing of the IPv6 subnet, until the other goes or it is restarted.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod, parseSubnetEnv } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { isAnswered, ping } from "../../lab/ping.ts";
import { waitFor } from "../../lab/wait.ts";
import { askedDaemon } from "../support/asked-daemon.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { LIMIT } from "../support/overlay-host.ts";
import { startTraffic } from "../support/traffic.ts";

const { signal } = new AbortController();

interface Profile {
  readonly type: string;
  /** The members of the other host's record besides its addresses. */
  readonly data: object;
}

const vtep = (VtepMAC: string) => ({ VNI: 1, VtepMAC });
const PROFILES: readonly Profile[] = [
  {
    type: "vxlan",
    data: {
      BackendType: "vxlan",
      BackendData: vtep("c6:d2:32:6f:8f:44"),
      BackendV6Data: vtep("8a:11:22:33:44:55"),
    },
  },
  { type: "host-gw", data: { BackendType: "host-gw" } },
  { type: "udp", data: {} },
];

function suite({ type, data }: Profile): void {
  const config = {
    Network: "10.5.0.0/16",
    SubnetMax: "10.5.199.0",
    EnableIPv6: true,
    IPv6Network: "fd00:10:5::/48",
    Backend: { Type: type },
  };
  const OTHER = JSON.stringify({ PublicIP: "192.168.77.200", PublicIPv6: "fd77::c8", ...data });
  let cluster: Cluster;
  let daemon: Flanneld;
  let pods: readonly [Pod, Pod];

  before(async () => {
    cluster = await openCluster(2, config, signal, { ipv6: true });
    const daemons = await cluster.startAll();
    daemon = daemons[0] as Flanneld;
    const made = daemons.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal));
    pods = (await Promise.all(made)) as [Pod, Pod];
    for (const address of addressesOf(pods[1])) await answers(pods[0], address);
    const spy = `table inet spy { counter seen { }; chain c { type filter hook prerouting priority -300; ip6 saddr ${subnet6()} counter name seen; }; }`;
    await cluster.on(1, "nft", spy);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const env = () => parseSubnetEnv(readFileSync(daemon.subnetFile, "utf8"));
  const subnet6 = () => env().ipv6?.subnet.replace("::1/64", "::/64") ?? assert.fail();
  const keyOf = (v4: string) => `${PREFIX}/subnets/${v4}&${subnet6().replace("/64", "-64")}`;
  const addressesOf = ({ address, address6 }: Pod) => [address, address6 ?? assert.fail()];
  const answers = async (from: Pod, address: string) => {
    const look = () => isAnswered(from.namespace, address, signal);
    await waitFor(`${from.name} to ${address}`, look, LIMIT, signal);
  };
  /** Packets that have come to the second host, since it was asked last, with addresses of the first one's IPv6 subnet. */
  const seen = async () => {
    const text = await cluster.on(1, "nft", "reset", "counter", "inet", "spy", "seen");
    return Number(/packets (\d+)/.exec(text)?.[1] ?? assert.fail(text));
  };
  const other = () => keyOf("10.5.200.0-24");
  /** The other's record is there first, as when ours had expired before. */
  const loseSubnet = async () => {
    await cluster.etcdctl("put", other(), OTHER);
    await cluster.etcdctl("del", keyOf(env().subnet.replace(".1/24", ".0-24")));
  };
  const degraded = async (isLost: boolean) => {
    const told = await askedDaemon(cluster, 0, signal).tells("the state of the IPv6 subnet", (status) => {
      const check = status.degraded.find(({ name }) => name === "ipv6-subnet");
      return ((check?.reason ?? null) !== null) === isLost;
    });
    return { state: told.state, reason: told.degraded.find(({ name }) => name === "ipv6-subnet")?.reason ?? null };
  };

  it("is one of IPv4 alone from then on, loses no packet of IPv4, and says what that means for its pods", async () => {
    const [own, peer] = pods;
    await answers(own, peer.address6 ?? "");
    assert.ok((await seen()) > 0);
    using traffic = await startTraffic(own.namespace, peer.address);
    await loseSubnet();
    const { state, reason } = await degraded(true);
    assert.equal(state, "degraded");
    assert.match(
      reason ?? "",
      /is that of the host 192\.168\.77\.200, .* running pods reach other hosts by IPv4 alone; restart flanneld/,
    );
    await askedDaemon(cluster, 0, signal).tells("the peer by IPv4", ({ peers }) =>
      peers.some(
        ({ publicIp, subnet, subnet6 }) => publicIp === "192.168.77.12" && subnet !== null && subnet6 === null,
      ),
    );
    assert.deepEqual((await traffic.stop()).lost, []);
    // What it tells it does a moment later.
    const isSilent = async () => {
      const { received } = await ping(own.namespace, peer.address6 ?? "", { count: 3 }, signal);
      return (await seen()) + received === 0 ? true : null;
    };
    await waitFor("no more packets of a subnet that is another's", isSilent, LIMIT, signal);
    const { stdout } = await askedDaemon(cluster, 0, signal).ask("events", "--json");
    assert.match(stdout, /another host had the IPv6 subnet of this host first/);
  });

  it("has it back when the other record goes", async () => {
    await cluster.etcdctl("del", other());
    assert.equal((await degraded(false)).reason, null);
    await answers(pods[0], pods[1].address6 ?? "");
  });

  it("leases another beside its IPv4 subnet when it is restarted, for pods that are made anew", async () => {
    const lost = env();
    await loseSubnet();
    await degraded(true);
    await daemon.stop(signal);
    daemon = cluster.start(0);
    await daemon.ready(signal);
    assert.equal(env().subnet, lost.subnet);
    assert.notEqual(env().ipv6?.subnet, lost.ipv6?.subnet);
    assert.equal((await degraded(false)).reason, null);
    await cluster.on(0, "ip", "link", "del", "cni0");
    const anew = await addPod(daemon.host, "anew", daemon.subnetFile, signal);
    for (const address of addressesOf(pods[1])) await answers(anew, address);
  });
}

for (const profile of PROFILES) {
  describe(`a host with ${profile.type} whose IPv6 subnet another has leased`, () => suite(profile));
}
