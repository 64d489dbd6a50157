// A network that runs with IPv4 alone is given IPv6, one host after the other, while pods talk: every host keeps its IPv4
// subnet, and no packet is lost.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod, parseSubnetEnv, type SubnetEnv } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { isAnswered, ping } from "../../lab/ping.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { LIMIT } from "../support/overlay-host.ts";
import { startTraffic } from "../support/traffic.ts";

const { signal } = new AbortController();

function suite(type: string): void {
  const ipv4 = { Network: "10.5.0.0/16", Backend: { Type: type } };
  const dual = { ...ipv4, EnableIPv6: true, IPv6Network: "fd00:10:5::/48" };
  let cluster: Cluster;
  let daemons: Flanneld[];
  let pods: readonly Pod[];

  before(async () => {
    cluster = await openCluster(3, ipv4, signal, { ipv6: true });
    daemons = [...(await cluster.startAll())];
    pods = await Promise.all(
      daemons.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal)),
    );
    for (const [from, to] of pairs()) await answers(from, to.address);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const pairs = () => pods.flatMap((from) => pods.filter((to) => to !== from).map((to) => [from, to] as const));
  const answers = async (from: Pod, address: string) => {
    const look = () => isAnswered(from.namespace, address, signal);
    await waitFor(`${from.name} to ${address}`, look, LIMIT, signal);
  };
  const envs = (): readonly SubnetEnv[] =>
    daemons.map(({ subnetFile }) => parseSubnetEnv(readFileSync(subnetFile, "utf8")));
  const keys = async () =>
    (await cluster.etcdctl("get", "--prefix", "--keys-only", `${PREFIX}/subnets/`))
      .split("\n")
      .filter(Boolean)
      .toSorted();
  const put = (config: object) => cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(config));
  const restartAll = async () => {
    for (const index of daemons.keys()) {
      await daemons[index]?.stop(signal);
      daemons[index] = cluster.start(index);
      await daemons[index]?.ready(signal);
    }
  };

  it("says what a restart is needed for, and changes nothing until then", async () => {
    const before = await keys();
    await put(dual);
    for (const daemon of daemons) await daemon.waitForLog(/needs a restart.*changed=EnableIPv6/, LIMIT, signal);
    assert.deepEqual(await keys(), before);
  });

  it("gives every host IPv6 beside its IPv4 subnet, and loses no packet of IPv4", async (t) => {
    const before = envs();
    const traffics = await Promise.all(pairs().map(([from, to]) => startTraffic(from.namespace, to.address)));
    await restartAll();
    let [sent, lost] = [0, 0];
    for (const traffic of traffics) {
      const result = await traffic.stop();
      sent += result.sent;
      lost += result.lost.length;
    }
    t.diagnostic(`${lost} of ${sent} pings lost`);
    assert.equal(lost, 0);
    const now = envs();
    assert.deepEqual(
      now.map(({ subnet }) => subnet),
      before.map(({ subnet }) => subnet),
    );
    const expected = now.map(({ subnet, ipv6 }) => {
      const v4 = subnet.replace(".1/24", ".0-24");
      return `${PREFIX}/subnets/${v4}&${ipv6?.subnet.replace("::1/64", "::-64")}`;
    });
    assert.deepEqual(await keys(), expected.toSorted());
  });

  it("carries both families between pods that are made anew", async () => {
    const made = await Promise.all(
      daemons.map(({ host, subnetFile }, index) => addPod(host, `q${index}`, subnetFile, signal)),
    );
    const [one, two] = made as [Pod, Pod, Pod];
    for (const address of [two.address, two.address6 ?? assert.fail()]) {
      await answers(one, address);
      assert.equal((await ping(one.namespace, address, { count: 5, waitSeconds: 5 }, signal)).received, 5);
    }
  });

  it("goes back to IPv4 with the same subnets, and loses no packet of IPv4", async () => {
    const before = envs().map(({ subnet }) => subnet);
    await put(ipv4);
    const [from, to] = pairs()[0] ?? assert.fail();
    const traffic = await startTraffic(from.namespace, to.address);
    await restartAll();
    const { sent, lost } = await traffic.stop();
    assert.deepEqual(lost, [], `of ${sent}`);
    assert.deepEqual(
      envs().map(({ subnet, ipv6 }) => [subnet, ipv6]),
      before.map((subnet) => [subnet, null]),
    );
    assert.deepEqual(
      await keys(),
      before.map((subnet) => `${PREFIX}/subnets/${subnet.replace(".1/24", ".0-24")}`).toSorted(),
    );
  });
}

for (const type of ["vxlan", "host-gw"])
  describe(`a network of IPv4 alone with ${type} that becomes dual-stack`, () => suite(type));
