// An operator puts another backend into the network config and restarts the daemons: of what the last one has made,
// nothing may lead packets astray.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { isAnswered, ping } from "../../lab/ping.ts";
import { waitFor } from "../../lab/wait.ts";
import { type BackendProfile, PROFILES } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { createOverlayHost, LIMIT } from "../support/overlay-host.ts";

const { signal } = new AbortController();

async function restartWith(
  profile: BackendProfile,
  cluster: Cluster,
  daemons: readonly Flanneld[],
): Promise<readonly Flanneld[]> {
  for (const daemon of daemons) await daemon.stop(signal);
  await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(profile.config));
  return cluster.startAll();
}

/** All routes into the network that are not the kernel's own, and that lead elsewhere than the backend's. */
async function strayRoutes(cluster: Cluster, profile: BackendProfile): Promise<readonly string[]> {
  const lines = (await cluster.on(0, "ip", "route", "show", "root", "10.5.0.0/16")).split("\n");
  const own = profile.device === null ? / dev eth0 / : new RegExp(` dev ${profile.device.replace(".", "\\.")} `);
  return lines.filter((line) => line !== "" && !line.includes("proto kernel") && !own.test(line));
}

/** The hosts learn of each other through etcd; once the way is open, it stays open. */
async function assertReach(from: Pod, to: Pod, when: string): Promise<void> {
  const look = () => isAnswered(from.namespace, to.address, signal);
  await waitFor(`an answer to a ping ${when}`, look, LIMIT, signal);
  const { received } = await ping(from.namespace, to.address, { count: 3, waitSeconds: 5 }, signal);
  assert.equal(received, 3, when);
}

/** Shell lines that make what backends leave behind which are not in a pair: of the udp backend, and of another VNI. */
const LEFT_BY_OTHERS = [
  "ip tuntap add dev flannel1 mode tun && ip link set flannel1 up",
  "ip route add 10.5.0.0/17 dev flannel1 proto 70",
  "ip route add 10.5.128.0/17 dev flannel1",
  "ip link add flannel.9 type vxlan id 9 dstport 4789 local 192.168.77.11 dev eth0 && ip link set flannel.9 up",
  "ip route add 10.5.240.0/24 via 10.5.240.0 dev flannel.9 onlink proto 70",
];

describe("a cluster whose backend is switched", () => {
  const pairs = PROFILES.flatMap((from) => PROFILES.filter((to) => to !== from).map((to) => [from, to] as const));
  for (const [from, to] of pairs) {
    it(`from ${from.type} to ${to.type} has its pods reach each other, and no route of the former left`, async () => {
      await using cluster = await openCluster(2, from.config, signal);
      const before = await cluster.startAll();
      const pods = await Promise.all(
        before.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal)),
      );
      const [one, other] = pods as [Pod, Pod];
      await assertReach(one, other, "before the switch");
      const host = createOverlayHost(cluster, to, signal);
      // A third host has gone meanwhile: nothing new takes the place of its route.
      const former = createOverlayHost(cluster, from, signal);
      const gone = { base: "10.5.250.0", ip: "192.168.77.250", mac: "02:00:00:00:02:50" };
      await former.putPeer(gone);
      await former.shows(from.peerLines(gone));
      for (const line of LEFT_BY_OTHERS) await host.shell(line);
      const foreign = "10.6.0.0/24 via 10.6.0.0 dev flannel.9 proto 70 onlink";
      await host.shell("ip route add 10.6.0.0/24 via 10.6.0.0 dev flannel.9 onlink proto 70");

      await restartWith(to, cluster, before);
      const peer = await host.peer(1);
      await host.shows([...to.ownLines(await host.peer(0)), ...to.peerLines(peer)]);
      await assertReach(one, other, "after the switch");
      const isClean = async () => (await strayRoutes(cluster, to)).length === 0 || null;
      await waitFor("the end of other routes", isClean, LIMIT, signal).catch(async (error: unknown) =>
        assert.fail(`${error}: ${await strayRoutes(cluster, to)}`),
      );
      assert.ok(!(await host.shell("ip route")).includes(gone.base), "the route of the host that has gone");
      assert.ok((await host.shell("ip route")).includes(foreign), "what another network has on its device stays");
    });
  }
});
