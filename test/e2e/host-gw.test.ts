import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Flanneld } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { HOST_GW, type Peer } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { createOverlayHost, LIMIT, type OverlayHost } from "../support/overlay-host.ts";

const { signal } = new AbortController();

/** With a single host all its peers go together, which would keep them. */
const FLAGS = ["--stale-peer-grace=0"];
let cluster: Cluster;
let host: OverlayHost;
let daemon: Flanneld;

before(async () => {
  cluster = await openCluster(1, HOST_GW.config, signal);
  daemon = cluster.start(0, { flags: FLAGS });
  await daemon.ready(signal);
  host = createOverlayHost(cluster, HOST_GW, signal);
});
after(async () => cluster?.[Symbol.asyncDispose]());

function peerAt(base: string, ip: string): Peer {
  return { base, ip, mac: "" };
}

describe("a host with host-gw", () => {
  it("makes no route to a peer on another link, says so once and what to do, until the peer is on its link", async () => {
    const far = peerAt("10.5.202.0", "172.30.0.1");
    await host.putPeer(far);
    const line = await daemon.waitForLog(/a peer cannot be reached with this backend/, LIMIT, signal);
    assert.match(line, /WARN .*peer=172\.30\.0\.1 .*not on the link of eth0 \(192\.168\.77\.0\/24\).*DirectRouting/);
    const near = peerAt("10.5.203.0", "192.168.77.203");
    await host.putPeer(near);
    assert.doesNotMatch(await host.shows(HOST_GW.peerLines(near)), /10\.5\.202\.0/);
    assert.equal(daemon.log().match(/a peer cannot be reached/g)?.length, 1);

    const moved = peerAt(far.base, "192.168.77.202");
    await host.putPeer(moved);
    await host.shows(HOST_GW.peerLines(moved));
    await daemon.waitForLog(/a peer is no longer out of reach key=10\.5\.202\.0-24/, LIMIT, signal);
    await host.putPeer(far);
    await host.forgets(far.base);
    for (const peer of [far, near]) await host.deletePeer(peer);
    await host.becomes("");
  });

  it("puts back at once a route that is deleted or pointed elsewhere, and does not wait for the next sweep", async () => {
    const peer = peerAt("10.5.204.0", "192.168.77.204");
    await host.putPeer(peer);
    await host.shows(HOST_GW.peerLines(peer));
    for (const command of [`ip route del ${peer.base}/24`, `ip route replace ${peer.base}/24 via 192.168.77.99`]) {
      await host.shell(command);
      await host.shows(HOST_GW.peerLines(peer), seconds(10));
    }
    await host.deletePeer(peer);
    await host.becomes("");
  });

  it("leaves a foreign route in a peer's place alone, names it once, and takes the place when it is free", async () => {
    const peer = peerAt("10.5.205.0", "192.168.77.205");
    await host.shell(`ip route add ${peer.base}/24 via 192.168.77.1 dev eth0 proto static`);
    await host.putPeer(peer);
    const named = /10\.5\.205\.0\/24 via 192\.168\.77\.1 dev eth0 proto 4 stands in its place/;
    await daemon.waitForLog(named, LIMIT, signal);
    const others = peerAt("10.5.206.0", "192.168.77.206");
    await host.putPeer(others);
    await host.shows([...HOST_GW.peerLines(others), /^10\.5\.205\.0\/24 via 192\.168\.77\.1 proto static\s*$/m]);
    assert.equal(daemon.log().match(new RegExp(named, "g"))?.length, 1);
    await host.shell(`ip route del ${peer.base}/24 proto static`);
    await host.shows(HOST_GW.peerLines(peer), seconds(60));
    for (const one of [peer, others]) await host.deletePeer(one);
    await host.becomes("");
  });

  it("takes the MTU of the config, but not more than the interface has", async () => {
    for (const [MTU, expected] of [
      [1400, 1400],
      [9000, 1500],
    ]) {
      await daemon.stop(signal);
      const config = { ...HOST_GW.config, Backend: { Type: "host-gw", MTU: MTU ?? 0 } };
      await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(config));
      daemon = cluster.start(0, { flags: FLAGS });
      await daemon.ready(signal);
      const file = await host.shell(`cat ${daemon.subnetFile}`);
      assert.match(file, new RegExp(`^FLANNEL_MTU=${expected}$`, "m"));
    }
  });

  it("has its routes back by itself when the cable is out for a while", async () => {
    const peer = peerAt("10.5.207.0", "192.168.77.207");
    await host.putPeer(peer);
    await host.shows(HOST_GW.peerLines(peer));
    await host.shell("ip link set eth0 down");
    await daemon.waitForLog(/kernel state differs from the leases/, LIMIT, signal);
    await host.shell("ip link set eth0 up && ip route add default via 192.168.77.1");
    await host.shows(HOST_GW.peerLines(peer));
    await daemon.waitForLog(/kernel state is as the leases say again/, LIMIT, signal);
    const etcd = async () => ((await cluster.etcdctl("endpoint", "health").catch(() => null)) === null ? null : true);
    await waitFor("etcd", etcd, LIMIT, signal);
  });
});
