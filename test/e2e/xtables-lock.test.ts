// The lock that iptables-legacy takes for every change: somebody holds it, and the rules have to wait, nothing else.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { addPod, deletePod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { pathWith, rulesOfFlannel, wholeSet } from "../support/firewall-host.ts";
import { LIMIT } from "../support/overlay-host.ts";
import { startTraffic } from "../support/traffic.ts";

const { signal } = new AbortController();

let cluster: Cluster;
let daemon: Flanneld | null = null;
let lock = "";
let environment: Readonly<Record<string, string>>;

const shell = (line: string) => cluster.on(0, "sh", "-c", line);
const legacyRules = async () => (await rulesOfFlannel(cluster))[1] ?? "";

async function start(flags: readonly string[]): Promise<Flanneld> {
  daemon = cluster.start(0, { flags: ["--iptables-resync=1", "--ip-masq", ...flags], environment });
  await daemon.ready(signal);
  return daemon;
}

before(async () => {
  cluster = await openCluster(1, VXLAN.config, signal);
  lock = join(cluster.topology.run.directory, "xtables.lock");
  environment = { PATH: pathWith(cluster, "legacy"), XTABLES_LOCKFILE: lock };
});
afterEach(async () => {
  await daemon?.[Symbol.asyncDispose]();
  daemon = null;
  await shell("for t in nat filter; do iptables-legacy -t $t -F; iptables-legacy -t $t -X; done");
});
after(async () => cluster?.[Symbol.asyncDispose]());

describe("the xtables lock", () => {
  /** Somebody has it until `release` is called. */
  async function holdLock(): Promise<() => void> {
    const holder = spawn("flock", [lock, "sleep", "120"], { detached: true, stdio: "ignore" });
    const release = () => {
      if (holder.exitCode === null && holder.signalCode === null) process.kill(-(holder.pid ?? 0), "SIGKILL");
    };
    try {
      const isHeld = async () => ((await cluster.tryOn(0, "flock", "-n", lock, "true")).status === 0 ? null : true);
      await waitFor("the lock to be held", isHeld, LIMIT, signal);
      return release;
    } catch (error) {
      release();
      throw error;
    }
  }

  it("that is held while somebody flushes the rules and a peer comes holds up no packet and no route", async (t) => {
    const one = await start([]);
    const pod = await addPod(one.host, "pod", one.subnetFile, signal);
    const whole = wholeSet(one);
    await waitFor("the rules", async () => ((await legacyRules()) === whole ? true : null), LIMIT, signal);
    const pinging = await startTraffic(pod.namespace, cluster.topology.etcd.address);
    const release = await holdLock();
    try {
      await shell("iptables-legacy -F FLANNEL-FWD");
      await one.waitForLog(/cannot keep the firewall rules .*lock/, seconds(60), signal);
      const record =
        '{"PublicIP":"192.168.77.201","BackendType":"vxlan","BackendData":{"VtepMAC":"02:00:00:00:03:01"}}';
      await cluster.etcdctl("put", `${PREFIX}/subnets/10.5.201.0-24`, record);
      const hasRoute = async () => ((await shell("ip route")).includes("10.5.201.0/24") ? true : null);
      await waitFor("the route to the peer", hasRoute, LIMIT, signal);
    } finally {
      release();
    }
    const released = systemClock.monotonic();
    const look = async () => ((await legacyRules()) === whole ? true : null);
    await waitFor("the rules", look, seconds(60), signal);
    t.diagnostic(`the rules are back ${Math.round(systemClock.monotonic() - released)} ms after the lock is free`);
    const { sent, lost } = await pinging.stop();
    assert.deepEqual(lost, [], `of ${sent}`);
    await deletePod(pod, one.subnetFile, signal);
    await cluster.etcdctl("del", `${PREFIX}/subnets/10.5.201.0-24`);
  });

  it("that is held for a while holds up the rules only, and readiness tells it", async () => {
    const release = await holdLock();
    try {
      const one = await start(["--healthz-port=8081"]);
      assert.match(one.log(), /cannot keep the firewall rules reason="iptables-restore failed: exit status 4: .*lock/);
      assert.match(await shell("ip -d link show flannel.1"), /vxlan id 1/);
      assert.match(await readiness(), /^200 flanneld is ready, but degraded: .*firewall: iptables-restore failed/);
      release();
      const whole = wholeSet(one);
      const look = async () => ((await legacyRules()) === whole ? true : null);
      await waitFor("the rules", look, seconds(60), signal);
      await one.waitForLog(/the firewall rules are kept again/, LIMIT, signal);
      assert.doesNotMatch(await readiness(), /firewall/);
    } finally {
      release();
    }
  });

  async function readiness(): Promise<string> {
    const script = `fetch("http://127.0.0.1:8081/readyz").then(async (r) => console.log(r.status, await r.text()))`;
    return cluster.on(0, "node", "-e", script);
  }
});
