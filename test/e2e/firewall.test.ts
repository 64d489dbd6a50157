// --ip-masq and --iptables-forward-rules as packets see them: pods, hosts, and a machine outside that knows no way to a pod.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod, parseSubnetEnv } from "../../lab/cni.ts";
import type { Flanneld, FlanneldOptions } from "../../lab/flanneld.ts";
import { isAnswered, ping } from "../../lab/ping.ts";
import { run } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";
import { FORWARD_JUMP, goForward, goMasquerade, MASQ_JUMP } from "../support/firewall.ts";
import {
  type IptablesVariant,
  type Journey,
  nextCheck,
  pathWith,
  ruleCounts,
  sourceSeen,
} from "../support/firewall-host.ts";
import { startTraffic } from "../support/traffic.ts";

const { signal } = new AbortController();
const NET = "10.5.0.0/16";
const CONFIG = { Network: NET, Backend: { Type: "vxlan" } };

/** How a host keeps its rules, and how a person does the same things by hand. */
interface Mode {
  readonly name: string;
  readonly nftables: boolean;
  /** The kind of iptables that the host has. */
  readonly iptables: IptablesVariant;
}

const MODES: readonly Mode[] = [
  { name: "iptables-nft", nftables: false, iptables: "nft" },
  { name: "iptables-legacy", nftables: false, iptables: "legacy" },
  { name: "nftables", nftables: true, iptables: "nft" },
];

function suite(mode: Mode): void {
  let cluster: Cluster;
  let daemons: readonly Flanneld[];
  let pods: readonly Pod[];
  let options: Partial<FlanneldOptions>;
  let tools: string;

  const shell = (line: string, host = 0) => cluster.on(host, "sh", "-c", `PATH=${tools}; ${line}`);
  const daemon = () => daemons[0] as Flanneld;
  const [one, two] = [() => pods[0] as Pod, () => pods[1] as Pod];
  const outside = () => cluster.topology.etcd;
  const subnetOf = (daemon: Flanneld) => {
    const { subnet } = parseSubnetEnv(readText(daemon.subnetFile));
    return subnet.replace(/\.1\/24$/, ".0/24");
  };
  const rulesOf = async (host = 0) =>
    mode.nftables
      ? await shell("nft list table ip flannel-ipv4", host)
      : (await shell("iptables -t nat -S && iptables -S", host))
          .split("\n")
          .filter((line) => /flannel/i.test(line))
          .join("\n");
  /** What is announced, and concerns the chain that leads to ours. */
  const nudge = () => shell("iptables-nft -A FORWARD -p 254; iptables-nft -D FORWARD -p 254");
  /** The daemon sees what has become of it, and not half of that: a reload writes one table after the other. */
  const unseen = async (command: string) => {
    process.kill(daemon().pid, "SIGSTOP");
    try {
      await shell(command);
    } finally {
      process.kill(daemon().pid, "SIGCONT");
    }
  };
  const becomes = async (expected: string) => {
    let last = "";
    const look = async () => {
      last = await rulesOf().catch(() => "");
      return last === expected ? true : null;
    };
    await waitFor("the rules", look, seconds(15), signal).catch(() => assert.equal(last, expected));
  };

  before(async () => {
    cluster = await openCluster(2, { ...CONFIG, EnableNFTables: mode.nftables }, signal);
    tools = pathWith(cluster, mode.iptables);
    options = { flags: ["--ip-masq", "--iptables-resync=1"], environment: { PATH: tools } };
    // What Docker leaves behind: nothing is forwarded unless somebody says so.
    if (!mode.nftables) for (const host of [0, 1]) await shell("iptables -P FORWARD DROP", host);
    daemons = await cluster.startAll(options);
    pods = await Promise.all(
      daemons.map((daemon, index) => addPod(daemon.host, `pod${index}`, daemon.subnetFile, signal)),
    );
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  it("installs its rules before it says that it is ready", async () => {
    const rules = await rulesOf();
    const pod = subnetOf(daemon());
    if (mode.nftables) {
      for (const part of ["masquerade fully-random", `ip saddr ${NET} accept`, `ip daddr ${pod} return`]) {
        assert.ok(rules.includes(part), rules);
      }
      return;
    }
    assert.deepEqual(
      rules.split("\n").filter((line) => line.startsWith("-A")),
      [MASQ_JUMP, ...goMasquerade(NET, pod), FORWARD_JUMP, ...goForward(NET)],
    );
  });

  it("says in the subnet file that it masquerades", () => {
    assert.match(readText(daemon().subnetFile), /^FLANNEL_IPMASQ=true$/m);
  });

  const seen = (journey: Journey) => sourceSeen(journey, signal);

  it("lets pods speak with each other under their own addresses", async () => {
    // Each host is ready for itself; of the other it hears a moment later.
    const reach = () => isAnswered(one().namespace, two().address, signal);
    await waitFor("the way to the other pod", reach, seconds(15), signal);
    assert.equal((await ping(one().namespace, two().address, { count: 5, waitSeconds: 5 }, signal)).received, 5);
    const journey = { from: one().namespace, to: two().namespace, address: two().address };
    assert.equal(await seen(journey), one().address);
  });

  it("lets a pod speak with outside under its host's address, and lets the answers in", async () => {
    assert.equal((await ping(one().namespace, outside().address, { count: 5, waitSeconds: 5 }, signal)).received, 5);
    const journey = { from: one().namespace, to: outside().namespace, address: outside().address };
    assert.equal(await seen(journey), one().host.address);
  });

  it("lets a host speak with a pod of another host, under an address that has a way back through the overlay", async () => {
    const journey = {
      from: one().host.namespace,
      source: one().host.address,
      to: two().namespace,
      address: two().address,
    };
    assert.equal(await seen(journey), subnetOf(daemon()).replace("/24", ""));
  });

  it("lets a host speak with a pod of its own under the host's address", async () => {
    const journey = {
      from: one().host.namespace,
      source: one().host.address,
      to: one().namespace,
      address: one().address,
    };
    assert.equal(await seen(journey), one().host.address);
  });

  it("lets outside reach a pod under its own address", async () => {
    const { namespace } = outside();
    const way = [`${one().address}/32`, "via", one().host.address];
    await run(inNamespace(namespace, ["ip", "route", "add", ...way]), {}, signal);
    try {
      const journey = { from: namespace, to: one().namespace, address: one().address };
      assert.equal(await seen(journey), outside().address);
    } finally {
      await run(inNamespace(namespace, ["ip", "route", "del", ...way]), {}, signal);
    }
  });

  it("does not masquerade multicast", async () => {
    const gateway = subnetOf(daemon()).replace(".0/24", ".1");
    const journey = {
      from: one().host.namespace,
      source: gateway,
      to: outside().namespace,
      address: outside().address,
      group: { ip: "239.1.2.3", through: one().host.address },
    };
    assert.equal(await seen(journey), gateway);
  });

  it("leaves to kube-proxy what kube-proxy has marked", async () => {
    const mark = "-p udp --dport 9999 -j MARK --set-mark 0x4000/0x4000";
    await shell(`iptables -t mangle -A PREROUTING ${mark}`);
    const snat = "-m mark --mark 0x4000/0x4000 -j SNAT --to-source 192.168.77.200";
    try {
      await shell(`iptables -t nat -A POSTROUTING ${snat}`);
      const journey = { from: one().namespace, to: outside().namespace, address: outside().address };
      assert.equal(await seen(journey), "192.168.77.200");
    } finally {
      await shell(`iptables -t mangle -F; iptables -t nat -D POSTROUTING ${snat}`);
    }
  });

  const tamperings: readonly (readonly [string, string])[] = mode.nftables
    ? [
        ["flushes the ruleset", "nft flush ruleset"],
        ["deletes our table", "nft delete table ip flannel-ipv4"],
        ["flushes a chain", "nft flush chain ip flannel-ipv4 postrtg"],
      ]
    : [
        ["flushes the filter table", "iptables -F"],
        ["flushes the nat table", "iptables -t nat -F"],
        ["reloads the firewall", "iptables-save | grep -v -i flannel | iptables-restore"],
        ["deletes one rule", "iptables -t nat -D FLANNEL-POSTRTG 2"],
      ];
  for (const [what, command] of tamperings) {
    it(`puts the rules back when somebody ${what}, and counts it once`, async () => {
      const expected = await rulesOf();
      const { repaired } = await ruleCounts(daemon(), signal);
      await unseen(command);
      await becomes(expected);
      await nextCheck(daemon(), nudge, signal);
      assert.equal((await ruleCounts(daemon(), signal)).repaired, repaired + 1);
      assert.equal(await rulesOf(), expected);
    });
  }

  it("writes nothing while nothing changes", async () => {
    const { written } = await ruleCounts(daemon(), signal);
    await nextCheck(daemon(), nudge, signal);
    assert.equal((await ruleCounts(daemon(), signal)).written, written);
  });

  it("loses no packet while its rules are written anew, or the daemon starts again", async () => {
    const inside = await startTraffic(one().namespace, two().address);
    const out = await startTraffic(one().namespace, outside().address);
    const rules = await rulesOf();
    for (let round = 0; round < 3; round++) {
      const stranger = mode.nftables
        ? "nft insert rule ip flannel-ipv4 forward counter"
        : "iptables -A FLANNEL-FWD -s 10.5.0.0/16 -j ACCEPT";
      await shell(stranger);
      await becomes(rules);
    }
    assert.equal(await daemon().stop(signal), 0);
    assert.equal(await rulesOf(), rules, "the rules stay when the daemon stops");
    daemons = [cluster.start(0, options), daemons[1] as Flanneld];
    await daemon().ready(signal);
    assert.equal(await rulesOf(), rules);
    for (const { sent, lost } of [await inside.stop(), await out.stop()]) {
      assert.ok(sent > 20, `${sent} sent`);
      assert.deepEqual(lost, [], `of ${sent}`);
    }
  });

  it("removes what a start without the flags does not want", async () => {
    await daemon().stop(signal);
    const flags = ["--ip-masq=false", "--iptables-forward-rules=false"];
    daemons = [cluster.start(0, { ...options, flags }), daemons[1] as Flanneld];
    await daemon().ready(signal);
    assert.equal((await cluster.tryOn(0, "sh", "-c", `PATH=${tools}; ${listAll}`)).stdout.match(/flannel/gi), null);
    assert.match(readText(daemon().subnetFile), /^FLANNEL_IPMASQ=false$/m);
  });
}

const listAll = "iptables-save; iptables-legacy-save; nft list ruleset";

function readText(path: string): string {
  return readFileSync(path, "utf8");
}

for (const mode of MODES) describe(`the firewall by ${mode.name}`, () => suite(mode));

for (const type of ["host-gw", "udp"]) {
  describe(`the firewall with ${type}`, () => {
    it("lets pods speak under their own addresses, and with outside under their hosts'", async () => {
      await using cluster = await openCluster(2, { Network: NET, Backend: { Type: type } }, signal);
      for (const host of [0, 1]) await cluster.on(host, "iptables", "-P", "FORWARD", "DROP");
      const daemons = await cluster.startAll({ flags: ["--ip-masq"] });
      const add = (daemon: Flanneld, index: number) => addPod(daemon.host, `pod${index}`, daemon.subnetFile, signal);
      const [one, two] = (await Promise.all(daemons.map(add))) as [Pod, Pod];
      const { etcd } = cluster.topology;
      const seen = (to: { namespace: string; address: string }) =>
        sourceSeen({ from: one.namespace, to: to.namespace, address: to.address }, signal);
      assert.equal(await seen(two), one.address);
      assert.equal(await seen(etcd), one.host.address);
    });
  });
}
