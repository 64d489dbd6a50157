// A daemon that has no descriptors left, and how much memory one with many peers takes. What a limit does when memory is
// over is a kill -9, which is in under-traffic.test.ts.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, it, type TestContext } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { isAnswered } from "../../lab/ping.ts";
import { run } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { type BackendProfile, type Peer, PROFILES, VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { createOverlayHost, LIMIT, type OverlayHost } from "../support/overlay-host.ts";
import { startTraffic } from "../support/traffic.ts";

const { signal } = new AbortController();
/** What Node takes for itself and what the daemon holds are more than this. */
const TOO_FEW = 8;

function descriptorSuite(profile: BackendProfile): void {
  let cluster: Cluster;
  let host: OverlayHost;
  let daemon: Flanneld;
  let pods: readonly [Pod, Pod];

  before(async () => {
    cluster = await openCluster(2, profile.config, signal);
    host = createOverlayHost(cluster, profile, signal);
    const daemons = await cluster.startAll({ flags: ["--ip-masq", "--iptables-resync=1", "--healthz-port=8081"] });
    daemon = daemons[0] as Flanneld;
    const made = daemons.map(({ host: machine, subnetFile }, index) =>
      addPod(machine, `p${index}`, subnetFile, signal),
    );
    pods = (await Promise.all(made)) as [Pod, Pod];
    const look = () => isAnswered(pods[0].namespace, pods[1].address, signal);
    await waitFor("an answer to a ping", look, LIMIT, signal);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const limit = (soft: number | string) => run(["prlimit", `--pid=${daemon.pid}`, `--nofile=${soft}:`], {}, signal);

  it("loses no packet, keeps its device in order, and is itself again when it has descriptors", async (t) => {
    const peer: Peer = { base: "10.5.201.0", ip: "192.168.77.201", mac: "02:00:00:00:03:01" };
    const pinging = await startTraffic(pods[0].namespace, pods[1].address);
    assert.ok(readdirSync(`/proc/${daemon.pid}/fd`).length > TOO_FEW);
    const [, before = ""] = /Max open files\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/limits`, "utf8")) ?? [];
    await limit(TOO_FEW);
    // Whatever is connected ends, and cannot be connected anew; no program can be started.
    await cluster.etcd.stop();
    await cluster.etcd.start();
    await host.shell("iptables -t nat -F FLANNEL-POSTRTG");
    await daemon.waitForLog(/cannot keep the firewall rules .*EMFILE/, seconds(60), signal);
    if (profile.device === "flannel.1") {
      await host.shell("ip neigh flush dev flannel.1 nud permanent");
      await waitFor("the neighbour", async () => ((await neighbours()) > 0 ? true : null), LIMIT, signal);
    }
    await host.putPeer(peer);
    assert.ok(daemon.running());
    const start = systemClock.monotonic();
    await limit(before);
    if (profile.peerLines(peer).length > 0) await host.shows(profile.peerLines(peer), seconds(60));
    await waitFor("the rules", async () => ((await rules()).includes("MASQUERADE") ? true : null), seconds(60), signal);
    await waitFor("readiness without flaws", isWell, seconds(60), signal);
    t.diagnostic(`well again after ${Math.round(systemClock.monotonic() - start)} ms`);
    assert.ok(daemon.running());
    const { sent, lost } = await pinging.stop();
    t.diagnostic(`${lost.length} of ${sent} pings lost`);
    // The neighbour was away for a moment, because the test has taken it.
    assert.ok(lost.length <= (profile.device === "flannel.1" ? sent / 20 : 0), `${lost.length} of ${sent}`);
  });

  const neighbours = async () => (await host.shell("ip neigh show dev flannel.1 nud permanent")).trim().length;
  const rules = () => host.shell("iptables-save -t nat | grep FLANNEL-POSTRTG || true");
  const isWell = async () => {
    const script = `fetch("http://127.0.0.1:8081/readyz").then(async (r) => console.log(r.status, await r.text()))`;
    const text = await cluster.on(0, "node", "-e", script).catch(() => "");
    return /^200 /.test(text) && !/degraded/.test(text) ? true : null;
  };
}

for (const profile of PROFILES) {
  describe(`a daemon of ${profile.type} without descriptors`, () => descriptorSuite(profile));
}

describe("the memory of a daemon", () => {
  const PEERS = 2000;
  /** Of which an idle Node is a third. */
  const BUDGET = 200;
  let cluster: Cluster;

  before(async () => {
    cluster = await openCluster(1, { Network: "10.0.0.0/8", Backend: { Type: "vxlan" } }, signal);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  /** As etcdctl reads a transaction: no condition, then puts, at most 128 of them. */
  async function putAll(round: number): Promise<void> {
    const { namespace } = cluster.topology.etcd;
    const command = ["env", "ETCDCTL_API=3", "etcdctl", `--endpoints=${cluster.endpoint}`, "txn"];
    for (let first = 0; first < PEERS; first += 100) {
      const puts = Array.from({ length: 100 }, (_, n) => putOf(first + n, round));
      await run(inNamespace(namespace, command), { input: `\n${puts.join("\n")}\n\n\n` }, signal);
    }
  }

  /** Every round gives every peer another MAC. */
  function putOf(number: number, round: number): string {
    const [high, low] = [1 + (number >> 8), number & 255];
    const hex = [round, high, low].map((octet) => octet.toString(16).padStart(2, "0")).join(":");
    const record = VXLAN.record({ base: "", ip: `172.16.${high}.${low}`, mac: `02:00:00:${hex}` });
    return `put ${PREFIX}/subnets/10.${high}.${low}.0-24 ${JSON.stringify(record)}`;
  }

  const megabytes = (pid: number, field: string) => {
    const [, kilobytes] =
      new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Math.round(Number(kilobytes) / 1024);
  };

  it(`with ${PEERS} peers stays in its budget, however often all of them change`, async (t: TestContext) => {
    await putAll(0);
    const daemon = cluster.start(0);
    await daemon.ready(signal);
    const entries = async () => (await cluster.on(0, "bridge", "fdb", "show", "dev", "flannel.1")).split("\n");
    const followed = (round: number) => {
      const mac = `02:00:00:${round.toString(16).padStart(2, "0")}:`;
      const look = async () =>
        (await entries()).filter((line) => line.startsWith(mac)).length === PEERS ? true : null;
      return waitFor(`the MACs of round ${round}`, look, seconds(60), signal);
    };
    await followed(0);
    t.diagnostic(`${megabytes(daemon.pid, "VmRSS")} MB after the start`);
    for (let round = 1; round <= 10; round += 1) {
      await putAll(round);
      if (round % 5 === 0) await followed(round);
    }
    t.diagnostic(
      `${megabytes(daemon.pid, "VmRSS")} MB after ${10 * PEERS} changes, ${megabytes(daemon.pid, "VmHWM")} at most`,
    );
    assert.ok(megabytes(daemon.pid, "VmHWM") <= BUDGET, `${megabytes(daemon.pid, "VmHWM")} MB`);
  });
});
