// A lab that is broken in twelve ways, one after the other: `flanneld check` says the cause in its last line, and
// `flanneld status` in a line of its own. All is fine again when it is mended.

import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Flanneld } from "../../lab/flanneld.ts";
import { attempt } from "../../lab/run.ts";
import { inNamespace, ipBatch } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { VXLAN } from "../support/backend-profiles.ts";
import { checksOn, LIMIT, PROGRAM, putConfig, putRecord, retire } from "../support/checked-hosts.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";

const { signal } = new AbortController();
/** Two hosts on which flanneld runs, and one on which it does not yet. */
const [FIRST, SECOND, SPARE] = [0, 1, 2];
let cluster: Cluster;
let daemons: Flanneld[];

const { lineOf, check, report, causeOf, isFine, statusTells, statusForgets } = checksOn(() => cluster, signal);

const nft = (host: number, rules: string) => cluster.on(host, "nft", rules);

before(async () => {
  cluster = await openCluster(3, VXLAN.config, signal);
  daemons = [FIRST, SECOND].map((host) => cluster.start(host, { flags: ["--probe-interval=1"] }));
  await Promise.all(daemons.map((daemon) => daemon.ready(signal)));
});
after(async () => cluster?.[Symbol.asyncDispose]());

describe("check on a host on which all is well", () => {
  it("ends with 0, with flanneld and before it is installed", async () => {
    for (const host of [FIRST, SECOND, SPARE]) await isFine(host);
    const { status, stdout } = await check(FIRST);
    assert.equal(status, 0);
    assert.match(stdout, /^ok +overlay +1 peer answers through the overlay$/m);
    assert.match(stdout, /^ok +path-mtu +packets of the largest size reach the other hosts$/m);
  });

  it("needs none of the flags that the daemon was started with", async () => {
    const { namespace = "", directory = "" } = cluster.hosts[FIRST] ?? {};
    const line = inNamespace(namespace, [PROGRAM, "check", `--etcd-endpoints=${cluster.endpoint}`]);
    const { status, stdout } = await attempt(line, { limit: LIMIT }, signal);
    assert.equal(status, 0, stdout);
    const pid = daemons[FIRST]?.pid;
    assert.match(stdout, new RegExp(`process ${pid} runs here, and is looked at with its [^;]*--state-dir`), directory);
  });

  it("says to a user without rights what it could not look at, and changes nothing", async () => {
    const before = await cluster.on(
      FIRST,
      "sh",
      "-c",
      "ip -d link; ip route; nft list ruleset; ls /proc/self/fd | wc -l",
    );
    const user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    const { status, stdout, stderr } = await attempt(lineOf(FIRST, [], user), { limit: LIMIT }, signal);
    assert.equal(status, 0, stdout + stderr);
    for (const name of ["privileges", "kernel", "daemon", "forward-rules", "peers"]) {
      assert.match(stdout, new RegExp(`^skip +${name} `, "m"));
    }
    assert.match(stdout, /is not known: only root may see which network namespace a running flanneld is in$/m);
    assert.equal(
      await cluster.on(FIRST, "sh", "-c", "ip -d link; ip route; nft list ruleset; ls /proc/self/fd | wc -l"),
      before,
    );
  });
});

describe("check tells the cause in one line", () => {
  it("of an MTU that a link on the way does not have", async () => {
    const { switchNamespace } = cluster.topology;
    await ipBatch(switchNamespace, ["link set h2 mtu 1400"], signal);
    assert.match(
      await causeOf(FIRST),
      /path-mtu: packets of more than 140\d bytes to 192\.168\.77\.12 .* vanish without a word/,
    );
    await statusTells(
      FIRST,
      /^ +probes +packets of more than 140\d bytes to 192\.168\.77\.12 .* vanish without a word/m,
    );
    await ipBatch(switchNamespace, ["link set h2 mtu 1500"], signal);
    await isFine(FIRST);
  });

  it("of a UDP port that is dropped, on the host that drops and on the other", async () => {
    await nft(SECOND, "add table inet broken");
    await nft(SECOND, "add chain inet broken input { type filter hook input priority 0; }");
    await nft(SECOND, "add rule inet broken input udp dport 8472 drop");
    assert.match(await causeOf(SECOND), /input-rules: UDP port 8472.* is dropped here: nftables inet broken input/);
    assert.match(
      await causeOf(FIRST),
      /overlay: 192\.168\.77\.12 .*answers, but not through the overlay: UDP port 8472 is dropped/,
    );
    await statusTells(
      FIRST,
      /^ +probes +192\.168\.77\.12 .*answers, but not through the overlay: UDP port 8472 is dropped/m,
    );
    await statusTells(SECOND, /^ +input-rules +UDP port 8472.* is dropped here: nftables inet broken input$/m);
    const { stdout } = await check(SECOND);
    const [, remedy = ""] = /mend: (nft delete rule .*)/.exec(stdout) ?? [];
    await cluster.on(SECOND, "sh", "-c", remedy);
    await isFine(SECOND);
    await isFine(FIRST);
    await statusForgets(SECOND, /input-rules/);
    await nft(SECOND, "delete table inet broken");
  });

  it("of a FORWARD policy of DROP, and what it says to do mends it", async () => {
    await cluster.on(SPARE, "iptables", "-P", "FORWARD", "DROP");
    assert.match(await causeOf(SPARE), /forward-rules: the policy of FORWARD is DROP in iptables/);
    const { stdout } = await check(SPARE);
    const [, remedy = ""] = /mend: (iptables .*)/.exec(stdout) ?? [];
    await cluster.on(SPARE, "sh", "-c", remedy);
    await isFine(SPARE);
    await cluster.on(SPARE, "iptables", "-P", "FORWARD", "ACCEPT");
    await cluster.on(SPARE, "iptables", "-F");
    // A running flanneld has a rule of its own there, which does not help against another table.
    await cluster.on(FIRST, "iptables", "-P", "FORWARD", "DROP");
    await isFine(FIRST);
    await nft(FIRST, "add table inet broken");
    await nft(FIRST, "add chain inet broken forward { type filter hook forward priority 10; policy drop; }");
    assert.match(await causeOf(FIRST), /forward-rules: the nftables chain inet broken forward drops what is forwarded/);
    await statusTells(FIRST, /^ +forward-rules +the nftables chain inet broken forward drops what is forwarded .*$/m);
    await statusTells(FIRST, /^ +mend: nft add rule inet broken forward ip saddr 10\.5\.0\.0\/16 accept;/m);
    await nft(FIRST, "delete table inet broken");
    await isFine(FIRST);
    await statusForgets(FIRST, /forward-rules/);
    await cluster.on(FIRST, "iptables", "-P", "FORWARD", "ACCEPT");
  });

  it("of neither MTU nor port where nobody probes, and says who measures", async () => {
    const unprobed = cluster.start(SPARE);
    await unprobed.ready(signal);
    await statusTells(SPARE, /^ +paths +not probed: flanneld check measures now what gets through/m);
    await retire(cluster, SPARE, unprobed, signal);
    await isFine(SPARE);
  });

  it("of a peer whose host is gone and whose record stays", async () => {
    const taken = await cluster.etcdctl("get", "--keys-only", "--prefix", `${PREFIX}/subnets/`);
    const third = ["199", "198", "197"].find((byte) => !taken.includes(`10.5.${byte}.0-24`));
    const subnet = `10.5.${third}.0/24`;
    await putRecord(cluster, PREFIX, subnet, "192.168.77.99", 900);
    assert.match(
      await causeOf(FIRST),
      /^degraded: peers: stale peer: 192\.168\.77\.99 does not answer.* 10\.5\.19\d\.0\/24 was last renewed 23 h 4\d min ago/,
    );
    await statusTells(FIRST, /^ +probes +192\.168\.77\.99 .*does not answer at all/m);
    await cluster.on(FIRST, PROGRAM, "release", subnet, "--now", "--force", `--etcd-endpoints=${cluster.endpoint}`);
    await isFine(FIRST);
  });

  it("of an etcd that is down", async () => {
    await cluster.etcd.stop();
    assert.match(await causeOf(FIRST), /^broken: etcd: etcd did not answer .*192\.168\.77\.2:2379/);
    await statusTells(FIRST, /^ +etcd +\S.*192\.168\.77\.2:2379/m);
    await cluster.etcd.start();
    await isFine(FIRST);
  });

  it("of a public IP that another host has", async () => {
    const publicIp = `--public-ip=${cluster.hosts[SECOND]?.address}`;
    const twin = cluster.start(SPARE, { flags: [publicIp] });
    const id = join(cluster.hosts[SPARE]?.directory ?? "", "state/node-id");
    await waitFor("the node id of the second host", () => existsSync(id) || null, LIMIT, signal);
    assert.match(
      await causeOf(SPARE, publicIp),
      /public-ip: another host \(node id [\da-f]{32}\) has the public IP 192\.168\.77\.12 of this one/,
    );
    await statusTells(SPARE, /another running host .* has the public IP 192\.168\.77\.12/);
    assert.equal(await twin.stop(signal), 0);
    await isFine(SPARE);
  });

  it("of an interface that does not lead to the others", async () => {
    const { namespace = "" } = cluster.hosts[SPARE] ?? {};
    await ipBatch(
      namespace,
      [
        "link add eth1 type veth peer name eth1p",
        "addr add 192.168.99.1/24 dev eth1",
        "link set eth1 up",
        "link set eth1p up",
      ],
      signal,
    );
    const daemon = cluster.start(SPARE, { choosesInterface: true, flags: ["--iface=eth1"] });
    await daemon.ready(signal);
    assert.match(
      await causeOf(SPARE, "--iface=eth1"),
      /interface: packets to 192\.168\.77\.1[12], 192\.168\.77\.1[12] leave by eth0, and flanneld uses eth1: the wrong interface/,
    );
    assert.equal((await report(SPARE)).cause, "interface", "by the device that flanneld has made, too");
    await statusTells(
      SPARE,
      /^ +interface +packets to 192\.168\.77\.1[12], 192\.168\.77\.1[12] leave by eth0, and flanneld uses eth1: the wrong/m,
    );
    assert.equal(await daemon.stop(signal), 0);
    await ipBatch(namespace, ["link del flannel.1", "link del eth1"], signal);
    rmSync(daemon.subnetFile);
    await cluster.etcdctl("del", "--prefix", `${PREFIX}/subnets/`);
    // Both write their records again.
    const count = async () =>
      (await cluster.etcdctl("get", "--keys-only", "--prefix", `${PREFIX}/subnets/`)).trim().split(/\s+/).length;
    await waitFor("the records of both hosts", async () => ((await count()) === 2 ? true : null), LIMIT, signal);
    await isFine(SPARE);
  });

  it("of rp_filter where answers take another way", async () => {
    const { namespace = "" } = cluster.hosts[SPARE] ?? {};
    await ipBatch(
      namespace,
      [
        "link add eth1 type veth peer name eth1p",
        "link set eth1 up",
        "link set eth1p up",
        "route add 192.168.77.11/32 dev eth1 src 192.168.77.13",
      ],
      signal,
    );
    const sysctl = (value: number) =>
      cluster.on(SPARE, "sh", "-c", `echo ${value} > /proc/sys/net/ipv4/conf/eth0/rp_filter`);
    await sysctl(1);
    await cluster.tryOn(FIRST, "ping", "-c", "1", "-W", "1", "192.168.77.13");
    assert.match(
      await causeOf(SPARE),
      /rp-filter: rp_filter is strict on eth0, and answers to 192\.168\.77\.11 would leave by eth1: what they send is dropped; \d+ packets? dropped so far/,
    );
    const daemon = cluster.start(SPARE);
    await daemon.ready(signal);
    await statusTells(
      SPARE,
      /^ +rp-filter +rp_filter is strict on eth0, and answers to 192\.168\.77\.11 would leave by eth1: what they send/m,
    );
    await sysctl(0);
    await statusForgets(SPARE, /rp-filter/);
    await retire(cluster, SPARE, daemon, signal);
    await ipBatch(namespace, ["link del eth1"], signal);
    await isFine(SPARE);
  });

  it("of a module that is missing", async () => {
    await putConfig(cluster, "/tunnel", { Network: "10.6.0.0/16", Backend: { Type: "udp" } });
    const settings = ["--etcd-prefix=/tunnel", "--subnet-file=/nonexistent"];
    await isFine(SPARE, ...settings);
    // Without the module there is no such device.
    const hidden = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"];
    const { status, stdout } = await attempt(lineOf(SPARE, settings, hidden), { limit: LIMIT }, signal);
    assert.equal(status, 2, stdout);
    assert.match(stdout, /\nbroken: kernel: there are no TUN devices for the backend udp: .*the module tun is missing/);
    assert.match(stdout, /mend: modprobe tun$/m);
    const { namespace = "", directory = "" } = cluster.hosts[SPARE] ?? {};
    const places = [`--subnet-file=${join(directory, "subnet.env")}`, `--state-dir=${join(directory, "state")}`];
    const line = [PROGRAM, `--etcd-endpoints=${cluster.endpoint}`, "--etcd-prefix=/tunnel", "--iface=eth0", ...places];
    const ended = await attempt(inNamespace(namespace, [...hidden, ...line]), { limit: LIMIT }, signal);
    assert.equal(ended.status, 78, ended.stderr);
    const cause = "with status 78: backend udp cannot run here: there is no /dev/net/tun";
    await statusTells(SPARE, new RegExp(`^flanneld: no flanneld answers at .*: it ended \\S+ ago ${cause}`, "m"));
    const found = (await report(SPARE, "--etcd-prefix=/tunnel")).checks.find(({ name }) => name === "daemon");
    assert.match(found?.sentence ?? "", /^no flanneld runs here.*; the last one ended \S+ ago: backend udp cannot run/);
  });

  it("of a network without a free subnet", async () => {
    await putConfig(cluster, "/small", { Network: "10.7.0.0/22", SubnetLen: 24, Backend: { Type: "vxlan" } });
    for (const third of [1, 2, 3]) await putRecord(cluster, "/small", `10.7.${third}.0/24`, `192.168.77.${third + 10}`);
    assert.match(
      await causeOf(SPARE, "--etcd-prefix=/small", "--public-ip=192.168.77.99"),
      /subnets: all 3 subnets of 10\.7\.0\.0\/22 are leased, and this host has none/,
    );
    const waiting = cluster.start(SPARE, { flags: ["--etcd-prefix=/small", "--public-ip=192.168.77.99"] });
    await statusTells(SPARE, /^ +lease +out of subnets: all 3 of 10\.7\.0\.0\/22 are leased; free one/m);
    assert.equal(await waiting.stop(signal), 0);
    await cluster.etcdctl("del", "/small/subnets/10.7.3.0-24");
    assert.notEqual((await report(SPARE, "--etcd-prefix=/small", "--public-ip=192.168.77.99")).cause, "subnets");
  });

  it("of a second daemon, unless it is for another network", async () => {
    const second = cluster.start(FIRST, { flags: ["--etcd-prefix=/nowhere"] });
    await second.waitForLog(/waiting for the network config/, LIMIT, signal);
    await isFine(FIRST);
    const beside = (await report(FIRST)).checks.find(({ name }) => name === "daemon");
    assert.ok(beside?.sentence.endsWith(`beside it: process ${second.pid} (for /nowhere)`), beside?.sentence);
    assert.equal(await second.stop(signal), 0);
    await isFine(FIRST);
    // One for the same network ends by itself, and check names the one that runs.
    const refused = cluster.start(FIRST);
    assert.equal(await refused.ended(signal), 78);
    const found = (await report(FIRST)).checks.find(({ name }) => name === "daemon");
    assert.match(
      found?.sentence ?? "",
      new RegExp(`^process ${daemons[0]?.pid} runs here.*; a second one for its network`),
    );
    const told = `another flanneld \\(process ${daemons[0]?.pid}\\) already carries the network ${PREFIX}`;
    await statusTells(FIRST, new RegExp(`^ +\\S+ ago +${told}`, "m"));
  });
});
