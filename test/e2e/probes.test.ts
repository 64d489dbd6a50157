// Pings between real hosts: the command, and the probes of the daemon, which see a partition of one direction only.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { Flanneld } from "../../lab/flanneld.ts";
import { attempt, type Output, run } from "../../lab/run.ts";
import { inNamespace, ipBatch } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { PROFILES, VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";

const { signal } = new AbortController();
const PROGRAM = join(import.meta.dirname, "../../../bin/flanneld");
const LIMIT = seconds(60);
const READYZ = `fetch("http://127.0.0.1:8081/readyz?verbose").then(async (r) => console.log(r.status, await r.text()))`;

interface Pinged {
  readonly verdict: string;
  readonly peers: readonly {
    readonly publicIp: string;
    readonly verdict: string;
    readonly sentence: string | null;
    readonly ways: readonly { readonly over: string; readonly pathMtu: number | null; readonly rttMs: number | null }[];
  }[];
}

/** As `peers` tells it. */
interface ProbedPeer {
  readonly publicIp: string;
  readonly probes: readonly { readonly isAnswering: boolean; readonly pathMtu: number | null }[];
}

function ping(cluster: Cluster, host: number, ...words: readonly string[]): Promise<Output> {
  const line = [PROGRAM, "ping", `--etcd-endpoints=${cluster.endpoint}`, ...words];
  return attempt(inNamespace(cluster.hosts[host]?.namespace ?? "", line), { limit: LIMIT }, signal);
}

async function pinged(cluster: Cluster, host: number, ...words: readonly string[]): Promise<Pinged> {
  return JSON.parse((await ping(cluster, host, ...words, "--json")).stdout) as Pinged;
}

for (const profile of PROFILES) {
  describe(`ping over ${profile.type}`, () => {
    let cluster: Cluster;

    before(async () => {
      cluster = await openCluster(2, profile.config, signal);
      await cluster.startAll();
      // Each is ready for itself; of the other it hears a moment later.
      await becomesFine();
    });
    after(async () => cluster?.[Symbol.asyncDispose]());

    async function becomesFine(): Promise<void> {
      const look = async () => ((await pinged(cluster, 0, "--all")).verdict === "fine" ? true : null);
      await waitFor("the host", look, LIMIT, signal);
    }

    it("shows how large packets reach the peer's addresses", async () => {
      const { status, stdout } = await ping(cluster, 0, "--all");
      assert.equal(status, 0, stdout);
      assert.match(stdout, /^10\.5\.\d+\.0\/24 +192\.168\.77\.12 +underlay +192\.168\.77\.12 +[\d.]+ ms +0 % +1500$/m);
      const { peers } = await pinged(cluster, 0, "192.168.77.12");
      const sizes = peers[0]?.ways.map(({ over, pathMtu }) => [over, pathMtu]);
      const overlay = profile.device === null ? [] : [["overlay", profile.mtu]];
      assert.deepEqual(sizes, [["underlay", 1500], ...overlay]);
    });

    it("finds what a link on the way carries", async () => {
      await ipBatch(cluster.topology.switchNamespace, ["link set h2 mtu 1400"], signal);
      const { verdict, peers } = await pinged(cluster, 0, "--all");
      assert.equal(verdict, "broken");
      assert.match(peers[0]?.sentence ?? "", /more than 140\d bytes .* vanish without a word \(underlay/);
      await ipBatch(cluster.topology.switchNamespace, ["link set h2 mtu 1500"], signal);
      assert.equal((await pinged(cluster, 0, "--all")).verdict, "fine");
    });

    it("tells a host that is off", async () => {
      await ipBatch(cluster.topology.switchNamespace, ["link set h2 down"], signal);
      const { status, stdout } = await ping(cluster, 0, "--all", "--count=1");
      assert.equal(status, 2);
      assert.match(stdout, /^broken: 192\.168\.77\.12 .* does not answer at all/m);
      await ipBatch(cluster.topology.switchNamespace, ["link set h2 up"], signal);
      await becomesFine();
    });
  });
}

describe("a partition of one direction", () => {
  let cluster: Cluster;
  let daemons: readonly Flanneld[];

  before(async () => {
    cluster = await openCluster(3, VXLAN.config, signal);
    daemons = await cluster.startAll({ flags: ["--probe-interval=1", "--healthz-port=8081"] });
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const onSwitch = (...words: string[]) =>
    run(inNamespace(cluster.topology.switchNamespace, ["nft", ...words]), {}, signal);
  const readyz = (host: number) => cluster.on(host, "node", "-e", READYZ);

  it("between two hosts is told by both, and by nobody else, although each is ready", async () => {
    await Promise.all(daemons.map((daemon) => daemon.waitForLog(/flannel is ready/, LIMIT, signal)));
    await onSwitch("add table bridge partition");
    await onSwitch("add chain bridge partition forward { type filter hook forward priority 0; }");
    await onSwitch("add rule bridge partition forward iifname h1 oifname h2 ether type ip drop");
    const told = /peers do not answer probes as they should .*does not answer at all/;
    const [first, second] = await Promise.all(
      daemons.slice(0, 2).map((daemon) => daemon.waitForLog(told, LIMIT, signal)),
    );
    assert.match(first ?? "", /192\.168\.77\.12 \(/);
    assert.match(second ?? "", /192\.168\.77\.11 \(/);
    assert.match(await readyz(0), /probes.*192\.168\.77\.12 .*does not answer at all/);
    const { directory = "" } = cluster.hosts[0] ?? {};
    let peers: readonly ProbedPeer[] = [];
    const measured = async () => {
      const { stdout } = await cluster.tryOn(0, PROGRAM, "peers", "--json", `--socket=${directory}`);
      ({ peers } = JSON.parse(stdout) as { readonly peers: readonly ProbedPeer[] });
      const sizes = peers.find(({ publicIp }) => publicIp === "192.168.77.13")?.probes.map(({ pathMtu }) => pathMtu);
      return isDeepStrictEqual(sizes, [1500, 1450]) || null;
    };
    await waitFor("what the way to the third host carries", measured, LIMIT, signal);
    const answering = peers.map(({ publicIp, probes }) => [publicIp, probes.map(({ isAnswering }) => isAnswering)]);
    assert.deepEqual(Object.fromEntries(answering), {
      "192.168.77.12": [false, false],
      "192.168.77.13": [true, true],
    });
    assert.doesNotMatch(daemons[2]?.log() ?? "", /do not answer probes/);
    assert.doesNotMatch(await readyz(2), /192\.168\.77/);
    await onSwitch("delete table bridge partition");
    await Promise.all(daemons.slice(0, 2).map((daemon) => daemon.waitForLog(/all peers answer probes/, LIMIT, signal)));
  });
});

describe("a daemon without CAP_NET_RAW", () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await openCluster(1, VXLAN.config, signal);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  it("starts as ever, and says what it lacks when it is to probe", async () => {
    const drop = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"];
    const line = [PROGRAM, `--etcd-endpoints=${cluster.endpoint}`, "--probe-interval=5", "--iface=eth0"];
    const { namespace = "", directory = "" } = cluster.hosts[0] ?? {};
    const places = [`--subnet-file=${directory}/subnet.env`, `--state-dir=${directory}/state`];
    const { status, stderr } = await attempt(inNamespace(namespace, [...drop, ...line, ...places]), {}, signal);
    assert.equal(status, 77, stderr);
    assert.match(stderr, /needs the capability CAP_NET_RAW to send pings/);
  });
});
