// The interface under the overlay changes while daemons run: it goes and comes back, is made anew, has another address,
// another MTU, or is another. Pods go on, and peers follow.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it, type TestContext } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { isAnswered } from "../../lab/ping.ts";
import { run } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { type BackendProfile, PROFILES } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { LIMIT } from "../support/overlay-host.ts";

const { signal } = new AbortController();
const FLAGS = ["--healthz-port=8081"];
const OWN = "192.168.77.11";

function suite(profile: BackendProfile): void {
  let cluster: Cluster;
  let daemon: Flanneld;
  let pods: readonly [Pod, Pod];

  before(async () => {
    cluster = await openCluster(2, profile.config, signal);
    const daemons = await cluster.startAll({ flags: FLAGS });
    daemon = daemons[0] as Flanneld;
    const made = daemons.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal));
    pods = (await Promise.all(made)) as [Pod, Pod];
    await reach();
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const shell = (line: string) => cluster.on(0, "sh", "-c", line);
  const onSwitch = (line: string) => run(inNamespace(cluster.topology.switchNamespace, ["sh", "-c", line]), {}, signal);
  const subnet = () => /^FLANNEL_SUBNET=(.*)$/m.exec(readFileSync(daemon.subnetFile, "utf8"))?.[1];
  const losses = () => daemon.log().match(/lost the connection to etcd/g)?.length ?? 0;
  const mtu = () => Number(/^FLANNEL_MTU=(.*)$/m.exec(readFileSync(daemon.subnetFile, "utf8"))?.[1]);

  /** Waits until the pods reach each other in both directions. */
  async function reach(): Promise<void> {
    for (const [from, to] of [pods, [pods[1], pods[0]] as const]) {
      const look = () => isAnswered(from.namespace, to.address, signal);
      await waitFor(`an answer of ${to.name} to ${from.name}`, look, LIMIT, signal);
    }
  }

  /** Does it, waits until pods reach each other again, and tells how long that took. */
  async function healed(t: TestContext, change: () => Promise<unknown>): Promise<void> {
    const start = systemClock.monotonic();
    await change();
    await reach();
    t.diagnostic(`pods reach each other ${Math.round(systemClock.monotonic() - start)} ms after the change began`);
  }

  async function readiness(): Promise<string> {
    const script = `fetch("http://127.0.0.1:8081/readyz?verbose").then(async (r) => console.log(r.status, await r.text()))`;
    return cluster.on(0, "node", "-e", script);
  }

  async function records(): Promise<{ readonly key: string; readonly PublicIP: string }[]> {
    const { kvs } = JSON.parse(await cluster.etcdctl("get", "-w", "json", "--prefix", `${PREFIX}/subnets/`)) as {
      kvs: readonly { key: string; value: string }[];
    };
    const text = (base64: string) => Buffer.from(base64, "base64").toString();
    return kvs.map(({ key, value }) => ({ key: text(key), ...JSON.parse(text(value)) }));
  }

  it("has everything back when it was down, with the cable out, and both", async (t) => {
    const port = cluster.hosts[0]?.name;
    await healed(t, () =>
      shell("ip link set eth0 down && ip link set eth0 up && ip route add default via 192.168.77.1"),
    );
    await onSwitch(`ip link set ${port} down`);
    await healed(t, () => onSwitch(`ip link set ${port} up`));
    assert.match(await readiness(), /^200 /);
  });

  it("has everything back on an interface that was made anew under the same name", async (t) => {
    const { name, namespace } = cluster.hosts[0] ?? assert.fail();
    const before = subnet();
    await shell("ip link del eth0");
    const isMissed = async () =>
      (await readiness()).includes("[!]underlay: no interface has the name or the address eth0") || null;
    await waitFor("the trouble", isMissed, LIMIT, signal);
    await healed(t, async () => {
      await onSwitch(`ip link add ${name} type veth peer name eth0 netns ${namespace}`);
      await onSwitch(`ip link set ${name} master br0 && ip link set ${name} up`);
      await shell(`ip addr add ${OWN}/24 dev eth0 && ip link set eth0 up && ip route add default via 192.168.77.1`);
    });
    assert.equal(subnet(), before);
    const look = async () => ((await readiness()).includes("[+]underlay ok") ? true : null);
    await waitFor("no trouble with the underlay", look, LIMIT, signal);
  });

  it("keeps its subnet when the address is another, and its peers follow", async (t) => {
    const before = subnet();
    const lossesBefore = losses();
    const old = (await records()).find(({ PublicIP }) => PublicIP === OWN);
    for (const [from, to] of [
      [OWN, "192.168.77.111"],
      ["192.168.77.111", OWN],
    ]) {
      await healed(t, async () => {
        await shell(
          `ip addr add ${to}/24 dev eth0 && ip addr del ${from}/24 dev eth0; ip addr replace ${to}/24 dev eth0`,
        );
        await shell("ip route replace default via 192.168.77.1");
        const look = async () =>
          (await records()).some(({ key, PublicIP }) => key === old?.key && PublicIP === to) || null;
        await waitFor("the new address in the record", look, LIMIT, signal);
      });
      assert.equal((await records()).length, 2);
    }
    assert.equal(subnet(), before);
    assert.ok(daemon.running());
    // The dead connection was not waited for until somebody noticed.
    assert.equal(losses(), lossesBefore);
  });

  it("has the new MTU on its device and in the subnet file, and never more than the config says", async (t) => {
    for (const under of [1400, 1500]) {
      await healed(t, () => shell(`ip link set eth0 mtu ${under}`));
      const expected = profile.mtu - (1500 - under);
      await waitFor("the MTU in the subnet file", () => (mtu() === expected ? true : null), LIMIT, signal);
      if (profile.device === null) continue;
      const look = async () =>
        (await shell(`ip link show ${profile.device}`)).includes(` mtu ${expected} `) ? true : null;
      await waitFor("the MTU of the device", look, LIMIT, signal);
    }
    const capped = { ...profile.config, Backend: { Type: profile.type, MTU: 1450 } };
    await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(capped));
    const most = profile.mtu - 50;
    await waitFor("the MTU of the config", () => (mtu() === most ? true : null), LIMIT, signal);
    await shell("ip link set eth0 mtu 1480");
    await daemon.waitForLog(/is followed dev=eth0 mtu=1480/, LIMIT, signal);
    await reach();
    assert.equal(mtu(), most);
    await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(profile.config));
    await shell("ip link set eth0 mtu 1500");
    await waitFor("the first MTU", () => (mtu() === profile.mtu ? true : null), LIMIT, signal);
  });

  it("does not take an address that another host's record has, and says whose it is", async () => {
    const theirs = cluster.hosts[1]?.address ?? "";
    await onSwitch(`ip link set ${cluster.hosts[0]?.name} down`);
    await shell(
      `ip addr add ${theirs}/24 dev eth0 && ip addr del ${OWN}/24 dev eth0; ip addr replace ${theirs}/24 dev eth0`,
    );
    const look = async () => ((await readiness()).includes("[!]underlay: ") ? true : null);
    await waitFor("the trouble", look, seconds(60), signal);
    assert.ok((await records()).some(({ PublicIP }) => PublicIP === OWN));
    await shell(
      `ip addr add ${OWN}/24 dev eth0 && ip addr del ${theirs}/24 dev eth0; ip addr replace ${OWN}/24 dev eth0`,
    );
    await shell("ip route replace default via 192.168.77.1");
    await onSwitch(`ip link set ${cluster.hosts[0]?.name} up`);
    await reach();
  });
}

for (const profile of PROFILES) describe(`the underlay of a host with ${profile.type}`, () => suite(profile));

describe("the underlay of a host that follows its default route", () => {
  it("is the other interface when the route has moved there, and nothing is left on the first", async (t) => {
    for (const profile of PROFILES) {
      await using cluster = await openCluster(2, profile.config, signal);
      const { name, namespace } = cluster.hosts[0] ?? assert.fail();
      const shell = (line: string) => cluster.on(0, "sh", "-c", line);
      await run(
        inNamespace(cluster.topology.switchNamespace, [
          ...["sh", "-c"],
          `ip link add ${name}b type veth peer name eth1 netns ${namespace} && ip link set ${name}b master br0 && ip link set ${name}b up`,
        ]),
        {},
        signal,
      );
      const daemons = await cluster.startAll({ choosesInterface: true });
      const daemon = daemons[0] as Flanneld;
      const made = daemons.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal));
      const [from, to] = (await Promise.all(made)) as [Pod, Pod];
      await shell("ip addr add 192.168.77.51/24 dev eth1 && ip link set eth1 up");
      await shell("ip addr del 192.168.77.11/24 dev eth0 && ip route replace default via 192.168.77.1 dev eth1");
      const start = systemClock.monotonic();
      await daemon.waitForLog(/is followed dev=eth1 .*publicIp=192\.168\.77\.51/, seconds(60), signal);
      const look = () => isAnswered(to.namespace, from.address, signal);
      await waitFor("an answer to a ping", look, LIMIT, signal);
      t.diagnostic(`${profile.type}: ${Math.round(systemClock.monotonic() - start)} ms`);
      const isBare = async () => (await shell("ip route show root 10.5.0.0/16 dev eth0")) === "" || null;
      await waitFor("the first interface to have no route", isBare, LIMIT, signal);
    }
  });
});
