// --peer-traffic: what pods send to each other, packet by packet, as flanneld peers and metrics tell it.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { ping } from "../../lab/ping.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { PeerStatus, Traffic } from "../../src/status/snapshot.ts";
import { type BackendProfile, PROFILES, VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";

const { signal } = new AbortController();
const PROGRAM = join(import.meta.dirname, "../../../bin/flanneld");
const LIMIT = seconds(60);
const TABLE = "inet flannel-traffic/coreos.com/network";
const FLAGS = ["--peer-traffic", "--healthz-port=8081"];
const METRICS = `fetch("http://127.0.0.1:8081/metrics?peers").then(async (answer) => console.log(await answer.text()))`;
/** Of a ping: 56 bytes, and the headers of ICMP and IP. */
const SIZE = 84;

/** Nothing but the pods' packets: vxlan's daemons else try what the network card makes of checksums. */
function configOf({ type, config }: BackendProfile) {
  return type === "vxlan" ? { ...config, Backend: { Type: type, Offload: "off" } } : config;
}

function pings(received: number, sent = received): Traffic {
  return {
    receivedBytes: received * SIZE,
    receivedPackets: received,
    sentBytes: sent * SIZE,
    sentPackets: sent,
  };
}

function suite(profile: BackendProfile): void {
  let cluster: Cluster;
  let daemons: readonly Flanneld[];
  let pods: readonly Pod[];

  before(async () => {
    cluster = await openCluster(3, configOf(profile), signal);
    daemons = await cluster.startAll({ flags: FLAGS });
    pods = await Promise.all(
      daemons.map((daemon, index) => addPod(daemon.host, `pod${index}`, daemon.subnetFile, signal)),
    );
    for (const host of [0, 1, 2]) await counting(host, 2);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const peers = async (host: number): Promise<readonly PeerStatus[]> => {
    const { directory = "" } = cluster.hosts[host] ?? {};
    const { stdout } = await cluster.tryOn(host, PROGRAM, "peers", "--json", `--socket=${directory}`);
    return (JSON.parse(stdout) as { readonly peers: readonly PeerStatus[] }).peers;
  };
  /** Of one host as another has counted it. */
  const traffic = async (host: number, of: number) => {
    const publicIp = cluster.hosts[of]?.address;
    return (await peers(host)).find((peer) => peer.publicIp === publicIp)?.traffic ?? null;
  };
  const counting = (host: number, number: number) => {
    const isCounted = ({ state, traffic }: PeerStatus) => state === "programmed" && traffic !== null;
    const look = async () => ((await peers(host)).filter(isCounted).length === number ? true : null);
    return waitFor(`${number} peers that host ${host} reaches and counts`, look, LIMIT, signal);
  };
  const counts = async (host: number, of: number, expected: Traffic) => {
    let last: Traffic | null = null;
    // What was read less than a second before is told again.
    const look = async () => {
      last = await traffic(host, of);
      return isDeepStrictEqual(last, expected) ? true : null;
    };
    await waitFor("the counters", look, seconds(15), signal).catch(() => {});
    assert.deepEqual(last, expected, `host ${host} of host ${of}`);
  };
  const pingAll = async (from: number, to: number, count: number) => {
    const { namespace = "" } = pods[from] ?? {};
    const { received } = await ping(namespace, pods[to]?.address ?? "", { count, waitSeconds: 5 }, signal);
    assert.equal(received, count);
  };
  const start = async (flags: readonly string[]) => {
    daemons = [cluster.start(0, { flags }), ...daemons.slice(1)];
    await daemons[0]?.ready(signal);
  };

  it("counts exactly the packets of each pair, at both ends and in both directions", async () => {
    await pingAll(0, 1, 20);
    await pingAll(0, 2, 5);
    await counts(0, 1, pings(20));
    await counts(0, 2, pings(5));
    await counts(1, 0, pings(20));
    await counts(2, 0, pings(5));
    await counts(1, 2, pings(0));
  });

  it("tells requests from answers that do not come", async () => {
    await cluster.on(1, "nft", "add table inet hole; add chain inet hole f { type filter hook forward priority 0; };");
    await cluster.on(1, "nft", "add rule inet hole f icmp type echo-request drop");
    await ping(pods[0]?.namespace ?? "", pods[1]?.address ?? "", { count: 3 }, signal);
    await cluster.on(1, "nft", "delete table inet hole");
    await counts(1, 0, pings(23, 20));
    await counts(0, 1, pings(20, 23));
  });

  it("is shown by flanneld peers and by metrics", async () => {
    const { directory = "" } = cluster.hosts[2] ?? {};
    const { stdout } = await cluster.tryOn(2, PROGRAM, "peers", `--socket=${directory}`);
    assert.match(stdout, /^SUBNET +PUBLIC IP +STATE +FOR +RECEIVED +SENT +RTT$/m);
    assert.match(stdout, /^10\.5\.\d+\.0\/24 +192\.168\.77\.11 +programmed +\S+ +420 B +420 B +-$/m);
    const metrics = await cluster.on(2, "node", "-e", METRICS);
    assert.match(metrics, /^flannel_peer_receive_packets_total\{.*public_ip="192\.168\.77\.11"\} 5$/m);
    assert.match(metrics, /^flannel_peer_transmit_bytes_total\{.*public_ip="192\.168\.77\.11"\} 420$/m);
  });

  it("goes on while the daemon does not run, and when it is back", async () => {
    // The daemon of udp carries the packets itself.
    const carries = profile.type !== "udp";
    await daemons[0]?.stop(signal);
    if (carries) await pingAll(0, 1, 10);
    await start(FLAGS);
    await counting(0, 2);
    if (!carries) await pingAll(0, 1, 10);
    await counts(0, 1, pings(30, 33));
  });

  it("goes on when another peer comes and goes", async () => {
    const record = profile.record({ base: "10.5.201.0", ip: "192.168.77.99", mac: "02:00:00:00:00:99" });
    await cluster.etcdctl("put", `${PREFIX}/subnets/10.5.201.0-24`, record);
    await counting(0, 3);
    await cluster.etcdctl("del", `${PREFIX}/subnets/10.5.201.0-24`);
    await counting(0, 2);
    const gone = async () =>
      (await cluster.on(0, "nft", "list", "table", ...TABLE.split(" "))).includes("10.5.201") ? null : true;
    await waitFor("the end of the peer's counters", gone, LIMIT, signal);
    await counts(0, 1, pings(30, 33));
    await pingAll(0, 1, 1);
    await counts(0, 1, pings(31, 34));
  });

  it("counts again soon after somebody has deleted what counts", async () => {
    const tampered = [`delete table ${TABLE}`, `flush set ${TABLE} received-ipv4-24; flush set ${TABLE} sent-ipv4-24`];
    for (const command of tampered) {
      await cluster.on(0, "nft", command);
      const look = async () => {
        const { stdout } = await cluster.tryOn(0, "nft", "list", "table", ...TABLE.split(" "));
        return [...stdout.matchAll(/10\.5\.\d+\.0 counter packets/g)].length === 4 ? true : null;
      };
      await waitFor("the table", look, LIMIT, signal);
      await pingAll(0, 1, 4);
      await counts(0, 1, pings(4));
    }
    assert.match(daemons[0]?.log() ?? "", /changed by somebody else and is repaired/);
  });

  it("is gone when the daemon starts without the flag", async () => {
    await daemons[0]?.stop(signal);
    await start([]);
    const look = async () => ((await cluster.on(0, "nft", "list", "tables")).includes("flannel-traffic") ? null : true);
    await waitFor("the end of the table", look, LIMIT, signal);
    const known = await peers(0);
    assert.ok(known.length >= 2 && known.every((peer) => peer.traffic === null));
    const { directory = "" } = cluster.hosts[0] ?? {};
    assert.doesNotMatch((await cluster.tryOn(0, PROGRAM, "peers", `--socket=${directory}`)).stdout, /RECEIVED/);
    await pingAll(0, 1, 1);
  });
}

for (const profile of PROFILES) describe(`traffic by peer over ${profile.type}`, () => suite(profile));

const IPV6 = { EnableIPv6: true, IPv6Network: "fd00:10:5::/48", IPv6SubnetMax: "fd00:10:5:c7::" };
const IPV6_SIZE = 104;

describe("traffic by peer of vxlan with DirectRouting and both families", () => {
  it("is counted of a peer that no tunnel leads to, over IPv4 and IPv6 together", async () => {
    const config = { ...VXLAN.config, ...IPV6, Backend: { Type: "vxlan", Offload: "off", DirectRouting: true } };
    await using cluster = await openCluster(2, config, signal, { ipv6: true });
    const daemons = await cluster.startAll({ flags: FLAGS });
    const add = (daemon: Flanneld, index: number) => addPod(daemon.host, `pod${index}`, daemon.subnetFile, signal);
    const [one, two] = (await Promise.all(daemons.map(add))) as [Pod, Pod];
    const counted = async () => {
      const { directory = "" } = cluster.hosts[0] ?? {};
      const { stdout } = await cluster.tryOn(0, PROGRAM, "peers", "--json", `--socket=${directory}`);
      return (JSON.parse(stdout) as { readonly peers: readonly PeerStatus[] }).peers[0]?.traffic ?? null;
    };
    const counts = async (packets: number) => {
      const look = async () => ((await counted())?.sentPackets === packets ? true : null);
      await waitFor(`${packets} packets`, look, LIMIT, signal);
    };
    await counts(0);
    // Until the pods have found out that nobody else has their IPv6 addresses.
    const reach = async () => (await ping(one.namespace, two.address6 ?? "", { count: 1 }, signal)).received || null;
    await waitFor("an answer over IPv6", reach, LIMIT, signal);
    await cluster.on(0, "nft", `delete table ${TABLE}`);
    // Not asked of the daemon, which gives an answer of the second before again.
    const isBack = async () => {
      const { stdout } = await cluster.tryOn(0, "nft", "list", "table", ...TABLE.split(" "));
      return [...stdout.matchAll(/ counter packets 0 bytes 0/g)].length === 4 ? true : null;
    };
    await waitFor("the table", isBack, LIMIT, signal);
    await ping(one.namespace, two.address, { count: 6, waitSeconds: 5 }, signal);
    const { received } = await ping(one.namespace, two.address6 ?? "", { count: 3, waitSeconds: 5 }, signal);
    assert.equal(received, 3);
    await counts(9);
    const bytes = 6 * SIZE + 3 * IPV6_SIZE;
    assert.deepEqual(await counted(), { receivedPackets: 9, receivedBytes: bytes, sentPackets: 9, sentBytes: bytes });
  });
});
