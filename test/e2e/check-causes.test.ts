// Troubles that look like others: `flanneld check` tells which it is, and calls nothing a trouble that is none.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { addPod, deletePod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { run } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { VXLAN } from "../support/backend-profiles.ts";
import { checksOn, putConfig } from "../support/checked-hosts.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";

const { signal } = new AbortController();
/** Two hosts on which flanneld runs, and one on which it does not yet. */
const [FIRST, SECOND, SPARE] = [0, 1, 2];
let cluster: Cluster;
let daemons: readonly Flanneld[];

const { report, causeOf, isFine, statusTells } = checksOn(() => cluster, signal);

before(async () => {
  cluster = await openCluster(3, VXLAN.config, signal);
  daemons = [FIRST, SECOND].map((host) => cluster.start(host));
  await Promise.all(daemons.map((daemon) => daemon.ready(signal)));
});
after(async () => cluster?.[Symbol.asyncDispose]());

describe("check tells", () => {
  it("a vxlan device that leaves the port to others from one that does not", async () => {
    const link = (...words: string[]) => cluster.on(SPARE, "ip", "link", ...words);
    await link("add", "vxlan.calico", "up", "type", "vxlan", "id", "4096", "dev", "eth0", "dstport", "8472");
    await isFine(SPARE);
    await link("del", "vxlan.calico");
    await link("add", "cilium_vxlan", "up", "type", "vxlan", "external", "dstport", "8472");
    assert.match(
      await causeOf(SPARE),
      /^broken: backend: the backend vxlan cannot run here: UDP port 8472 is taken by the vxlan device cilium_vxlan,/,
    );
    await link("del", "cilium_vxlan");
    await isFine(SPARE);
  });

  it("another network's device from one that a flanneld of this network has left", async () => {
    await putConfig(cluster, "/other", { Network: "10.88.0.0/16", Backend: { Type: "vxlan" } });
    const other = ["--etcd-prefix=/other", "--subnet-file=/nonexistent"];
    assert.match(
      await causeOf(FIRST, ...other),
      /^broken: backend: the flanneld of another network has the device flannel\.1 on this host/,
    );
    const daemon = (await report(FIRST, ...other)).checks.find(({ name }) => name === "daemon");
    assert.equal(daemon?.verdict, "ok", daemon?.sentence);
    await isFine(SPARE, ...other);
  });

  it("a rule for some packets of the port where those do not come", async () => {
    const rule = ["INPUT", "-p", "udp", "--dport", "8472", "-m", "length", "--length", "0:1400", "-j", "DROP"];
    await cluster.on(SECOND, "iptables", "-I", ...rule);
    assert.match(
      await causeOf(SECOND),
      /^broken: input-rules: UDP port 8472, .* is dropped here for some packets: iptables -t filter -A INPUT .*length/,
    );
    await cluster.on(SECOND, "iptables", "-D", ...rule);
    await isFine(SECOND);
  });

  it("a rule for what comes from containers, which the host's own packets do not meet", async () => {
    const pods = await Promise.all(
      daemons.map(({ host, subnetFile }, index) => addPod(host, `pod${index}`, subnetFile, signal)),
    );
    await isFine(FIRST);
    const rules: readonly (readonly [number, string, RegExp])[] = [
      [
        FIRST,
        "iif cni0 blackhole",
        /^broken: routes: what comes in by cni0 for \S+ is refused .* leave by flannel\.1$/,
      ],
      [SECOND, "iif flannel.1 prohibit", /^broken: routes: what comes in by flannel\.1 for \S+ is refused .* by cni0$/],
      [
        FIRST,
        "iif cni0 lookup 77",
        /^broken: routes: what comes in by cni0 for \S+ leaves by eth0, and should by flannel/,
      ],
    ];
    await cluster.on(FIRST, "ip", "route", "add", "default", "via", "192.168.77.1", "table", "77");
    for (const [host, rule, cause] of rules) {
      const words = [...rule.split(" "), "pref", "100"];
      await cluster.on(host, "ip", "rule", "add", ...words);
      assert.match(await causeOf(host), cause);
      await cluster.on(host, "ip", "rule", "del", ...words);
      await isFine(host);
    }
    for (const [index, pod] of pods.entries()) await deletePod(pod, daemons[index]?.subnetFile ?? "", signal);
  });

  it("a route and a rule that drop what is for a peer's host", async () => {
    const ip = (...words: string[]) => cluster.on(FIRST, "ip", ...words);
    const peer = cluster.hosts[SECOND]?.address ?? "";
    for (const kind of ["blackhole", "unreachable", "prohibit"]) {
      await ip("route", "add", kind, peer);
      assert.match(
        await causeOf(FIRST),
        /^broken: interface: the route 192\.168\.77\.12\/32 of this host drops packets to /,
      );
      await statusTells(FIRST, /^ +mend: ip route del 192\.168\.77\.12\/32$/m);
      await ip("route", "del", `${peer}/32`);
      await isFine(FIRST);
    }
    await ip("rule", "add", "to", peer, "prohibit", "pref", "100");
    assert.match(await causeOf(FIRST), /^broken: interface: a rule of this host refuses packets to 192\.168\.77\.12, /);
    await ip("rule", "del", "pref", "100");
    await isFine(FIRST);
  });

  it("packets that a link loses now and then from those that are too large for it", async () => {
    const { switchNamespace } = cluster.topology;
    const nft = (rules: string) => run(inNamespace(switchNamespace, ["nft", rules]), {}, signal);
    await nft("add table bridge lossy; add chain bridge lossy f { type filter hook forward priority 0; }");
    // Both tries of one size, and the next one comes through.
    await nft("add rule bridge lossy f icmp type echo-request meta length > 1400 numgen inc mod 3 < 2 drop");
    await isFine(FIRST);
    await nft("delete table bridge lossy");
  });
});
