// docs/install.md, step by step, on three real Debian machines: two get the .deb from apt, the third the .rpm from dnf.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import { createDebian, type Debian, prepareDebian } from "../../lab/debian.ts";
import { ping } from "../../lab/ping.ts";
import { run } from "../../lab/run.ts";
import { inNamespace, openTopology, type Topology } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { commandsOf, configureEtcd, makeCertificates, SSL } from "../support/guide.ts";
import { ENV, handsOn, LONG } from "../support/guide-machines.ts";
import { builtPackages, CACHE, makeRepository, type Packages, ROOT, withVersion } from "../support/packages.ts";

const { signal } = new AbortController();
const BASE = join(CACHE, "debian-bookworm");

describe("the guide to three machines", () => {
  let topology: Topology;
  let machines: readonly Debian[];
  let packages: Packages;
  let work = "";
  const pods: Pod[] = [];

  const { machine, on, endpoints, settings, property, becomes, subnetFile, underTraffic, leftOn, putConfig, changeTo } =
    handsOn(() => machines, pods, signal);

  before(async () => {
    await prepareDebian(BASE, signal);
    topology = await openTopology({ hosts: 3 }, signal);
    work = topology.run.directory;
    packages = await builtPackages(signal);
    const addresses = topology.hosts.map(({ address }) => address);
    await makeCertificates(join(work, "certificates"), addresses, signal);
    machines = topology.hosts.map((host) => topology.own(createDebian(host, BASE)));
    for (const { machine: host, upper } of machines) {
      configureEtcd(upper, host, topology.hosts, join(work, "certificates"), BASE);
    }
    await Promise.all(machines.map((debian) => debian.boot(signal)));
    const put = async () => ((await putConfig("host-gw")).status === 0 ? true : null);
    await waitFor("etcd to take the network config", put, seconds(60), signal);
  });
  after(async () => topology?.[Symbol.asyncDispose]());

  it("installs with apt, and neither starts the service nor fails without a network", async () => {
    for (const index of [0, 1]) {
      copyFileSync(packages.deb, join(machine(index).path("/root"), "flanneld.deb"));
      await on(index, "apt-get", "install", "-y", "--no-install-recommends", "/root/flanneld.deb");
      assert.equal(await property(index, "ActiveState"), "inactive");
      assert.equal(await property(index, "UnitFileState"), "enabled");
    }
  });

  it("installs with dnf", async () => {
    const repository = join(work, "repository");
    await makeRepository(packages.rpm, repository, signal);
    await machine(2).powerOff(signal);
    const dnf = ["dnf", "-y", `--installroot=${machine(2).root}`, `--repofrompath=local,file://${repository}`];
    const options = [
      "--repo=local",
      "--nogpgcheck",
      "--releasever=1",
      "--setopt=reposdir=/nowhere",
      "--setopt=cachedir=/tmp",
    ];
    // Debian's rpm keeps its records in the home directory.
    const env = { HOME: join(work, "home") };
    await machine(2).whileOff([...dnf, ...options, "install", "flanneld"], { limit: LONG, env }, signal);
    const file = join(machine(2).upper, "etc/sysconfig/flanneld");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    // The distribution's preset enables it, and a boot waits for it.
    writeFileSync(file, settings());
    await machine(2).boot(signal);
    assert.equal(await property(2, "ActiveState"), "active");
  });

  it("starts with the sysconfig file that people have", async () => {
    for (const [index, debian] of machines.entries()) {
      mkdirSync(debian.path("/etc/sysconfig"), { recursive: true });
      writeFileSync(debian.path("/etc/sysconfig/flanneld"), settings());
      await on(index, "systemctl", "start", "flanneld.service");
      assert.match(subnetFile(index), /^FLANNEL_NETWORK=172\.30\.0\.0\/16\nFLANNEL_SUBNET=172\.30\.\d+\.1\/24\n/);
    }
    const ps = await on(0, "sh", "-c", "ps -ef | grep '[f]lanneld'");
    const flags = `-etcd-endpoints=${endpoints()} -etcd-prefix=/kube-centos/network -etcd-cafile=${SSL}/ca.pem`;
    assert.ok(ps.includes(`/usr/bin/flanneld ${flags}`), ps);
    assert.equal((await on(0, "ps", "-o", "comm=", "-C", "flanneld")).trim(), "flanneld");
  });

  it("takes a part of the options that is in quotes as one word, as systemd does", async () => {
    const file = machine(1).path("/etc/sysconfig/flanneld");
    writeFileSync(file, settings("-iface-regex='^eth0$|no such' -public-ip '' "));
    await on(1, "systemctl", "restart", "flanneld.service");
    const words = readFileSync(machine(1).path(`/proc/${await property(1, "MainPID")}/cmdline`), "utf8").split("\0");
    assert.deepEqual(words.slice(3, 6), ["-iface-regex=^eth0$|no such", "-public-ip", ""]);
    writeFileSync(file, settings());
  });

  it("says in systemctl status what it does, and in the journal what it has done", async () => {
    for (const index of machines.keys()) {
      await becomes(index, "StatusText", /^172\.30\.\d+\.0\/24 by host-gw, 2 peers$/);
    }
    const journal = await on(0, "journalctl", "-u", "flanneld", "-o", "json");
    const lines = journal
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Readonly<Record<string, string>>);
    const ready = lines.find(({ MESSAGE }) => MESSAGE?.startsWith("flannel is ready"));
    assert.match(ready?.["MESSAGE"] ?? "", /^flannel is ready subnet=172\.30\.\d+\.0\/24 mtu=1500$/);
    assert.deepEqual([ready?.["PRIORITY"], ready?.["SYSLOG_IDENTIFIER"]], ["6", "flanneld"]);
    const subnet = /\bsubnet=(\S+)/.exec(ready?.["MESSAGE"] ?? "")?.[1] ?? "";
    const asked = ["FLANNEL_EVENT=flannel is ready", `FLANNEL_SUBNET=${subnet}`];
    assert.match(await on(0, "journalctl", "-u", "flanneld", "-o", "cat", ...asked), /^flannel is ready subnet=/m);
    // Of systemd, too: no variable that is not set, no setting that it does not know.
    assert.ok(!lines.some(({ PRIORITY }) => Number(PRIORITY) <= 4), journal);
  });

  it("has commands that find etcd by the service's settings", async () => {
    for (const index of machines.keys()) {
      assert.match(await on(index, "flanneld", "leases"), /\n3 leases, 0 reserved, 252 free of 255\n$/);
      await on(index, "flanneld", "ping", "--all");
    }
  });

  it("can be asked how it is by members of the group flannel, in its sandbox and from both packages", async () => {
    const as = (...identity: readonly string[]) => ["setpriv", "--reuid=nobody", "--regid=nogroup", ...identity];
    for (const index of machines.keys()) {
      assert.equal(await on(index, "stat", "-c", "%a %U:%G", "/run/flannel/flanneld.sock"), "660 root:flannel\n");
      const status = await on(index, ...as("--groups=flannel"), "flanneld", "status");
      assert.match(status, /^flanneld \S+ {2}ready [\s\S]*^ {2}peers +2 programmed$/m);
      const other = await machine(index).attempt([...as("--clear-groups"), "flanneld", "status"], signal);
      assert.deepEqual([other.status, /permission denied at/.test(other.stderr)], [77, true]);
    }
  });

  it("can be asked by them still when somebody has deleted its socket, and after a reload", async () => {
    await on(0, "rm", "/run/flannel/flanneld.sock");
    await on(0, "systemctl", "reload", "flanneld.service");
    const owners = async () =>
      (await machine(0).attempt(["stat", "-c", "%a %U:%G", "/run/flannel/flanneld.sock"], signal)).stdout || null;
    assert.equal(await waitFor("the socket", owners, seconds(60), signal), "660 root:flannel\n");
    assert.equal(await on(0, "stat", "-c", "%a %U:%G", "/run/flannel"), "2755 root:flannel\n");
  });

  it("gives Docker its options", async () => {
    const subnet = /^FLANNEL_SUBNET=(.*)$/m.exec(subnetFile(0))?.[1];
    const docker = readFileSync(machine(0).path("/run/flannel/docker"), "utf8");
    assert.match(docker, new RegExp(`^DOCKER_NETWORK_OPTIONS=" --bip=${subnet} --ip-masq=true --mtu=1500"$`, "m"));
  });

  it("lets pods reach each other across machines by one hop more, and on the same machine directly", async () => {
    for (const [index, host] of topology.hosts.entries()) {
      pods.push(await addPod(host, "a", machine(index).path(ENV), signal));
    }
    const neighbour = await addPod(
      topology.hosts[0] as (typeof topology.hosts)[number],
      "b",
      machine(0).path(ENV),
      signal,
    );
    const timeToLive = async (from: Pod, to: Pod) => {
      const command = inNamespace(from.namespace, ["ping", "-n", "-c1", "-W5", to.address]);
      return Number(/ ttl=(\d+) /.exec((await run(command, {}, signal)).stdout)?.[1]);
    };
    for (const from of pods) {
      for (const to of pods)
        if (to !== from) assert.equal(await timeToLive(from, to), 62, `${from.address} ${to.address}`);
    }
    assert.equal(await timeToLive(pods[0] as Pod, neighbour), 64);
  });

  it("keeps traffic through a stop, a start, a restart and a reload", async () => {
    await underTraffic(async () => {
      await on(0, "systemctl", "stop", "flanneld.service");
      assert.equal(await property(0, "Result"), "success");
      await on(0, "systemctl", "start", "flanneld.service");
      await on(0, "systemctl", "restart", "flanneld.service");
      await becomes(0, "StatusText", /2 peers$/);
      const pid = await property(0, "MainPID");
      await on(0, "systemctl", "reload", "flanneld.service");
      assert.deepEqual([await property(0, "ActiveState"), await property(0, "MainPID")], ["active", pid]);
    });
  });

  it("comes back after a crash, and stays down after a flag that is wrong", async () => {
    const before = subnetFile(0);
    const pid = await property(0, "MainPID");
    await underTraffic(async () => {
      await on(0, "kill", "-KILL", pid);
      await becomes(0, "NRestarts", /^[1-9]/);
      await becomes(0, "ActiveState", /^active$/);
    });
    assert.equal(subnetFile(0), before);
    mkdirSync(machine(0).path("/run/systemd/system/flanneld.service.d"), { recursive: true });
    const dropIn = machine(0).path("/run/systemd/system/flanneld.service.d/wrong.conf");
    writeFileSync(dropIn, "[Service]\nEnvironment=FLANNELD_V=wrong\n");
    await on(0, "systemctl", "daemon-reload");
    assert.notEqual((await machine(0).attempt(["systemctl", "restart", "flanneld.service"], signal)).status, 0);
    assert.deepEqual([await property(0, "ActiveState"), await property(0, "ExecMainStatus")], ["failed", "64"]);
    await on(0, "rm", "-r", "/run/systemd/system/flanneld.service.d");
    await on(0, "systemctl", "daemon-reload");
    await on(0, "systemctl", "restart", "flanneld.service");
  });

  it("is watched over: a daemon that hangs is restarted", async () => {
    mkdirSync(machine(1).path("/run/systemd/system/flanneld.service.d"), { recursive: true });
    const dropIn = machine(1).path("/run/systemd/system/flanneld.service.d/soon.conf");
    writeFileSync(dropIn, "[Service]\nWatchdogSec=9\n");
    await on(1, "systemctl", "daemon-reload");
    await on(1, "systemctl", "restart", "flanneld.service");
    const pid = await property(1, "MainPID");
    await on(1, "kill", "-STOP", pid);
    await becomes(1, "NRestarts", /^[1-9]/);
    await becomes(1, "ActiveState", /^active$/);
    assert.match(await on(1, "journalctl", "-u", "flanneld"), /Watchdog timeout/);
  });

  it("is upgraded under traffic, with the administrator's files as they are", async () => {
    const newer = await withVersion(packages.deb, "9.9.9", join(work, "newer"), signal);
    copyFileSync(newer, join(machine(0).path("/root"), basename(newer)));
    writeFileSync(machine(0).path("/etc/default/flanneld"), "# mine\n");
    const pid = await property(0, "MainPID");
    await underTraffic(() => on(0, "apt-get", "install", "-y", "--no-install-recommends", `/root/${basename(newer)}`));
    assert.match(await on(0, "dpkg-query", "-W", "flanneld"), /9\.9\.9/);
    assert.equal(readFileSync(machine(0).path("/etc/default/flanneld"), "utf8"), "# mine\n");
    await becomes(0, "StatusText", /2 peers$/);
    assert.notEqual(await property(0, "MainPID"), pid);
  });

  for (const type of ["vxlan", "udp", "host-gw"]) {
    it(`carries packets by ${type} in its sandbox`, async () => {
      await changeTo(type);
      for (const to of pods.slice(1)) {
        const { namespace } = pods[0] as Pod;
        const isOpen = async () => (await ping(namespace, to.address, { count: 1 }, signal)).received > 0 || null;
        await waitFor(`the way to ${to.address}`, isOpen, seconds(60), signal);
        const { received } = await ping(namespace, to.address, { count: 3, waitSeconds: 5 }, signal);
        assert.equal(received, 3, `${type} to ${to.address}`);
      }
      const journal = await on(0, "journalctl", "-u", "flanneld", "-p", "warning", "-o", "cat", "--since", "-10s");
      assert.doesNotMatch(journal, /EPERM|EACCES|Operation not permitted|Read-only file system/);
    });
  }

  it("is back after a reboot, at the same subnet", async () => {
    const before = subnetFile(1);
    await machine(1).powerOff(signal);
    // A real machine loses these with its kernel.
    const lost = "ip route flush proto 70; ip link del cni0";
    await run(inNamespace(machine(1).machine.namespace, ["sh", "-c", lost]), {}, signal);
    await machine(1).boot(signal);
    await becomes(1, "ActiveState", /^active$/);
    await becomes(1, "StatusText", /2 peers$/);
    assert.equal(subnetFile(1), before);
  });

  it("leaves traffic alone when it is removed, and no file behind when it is purged", async () => {
    writeFileSync(machine(0).path("/etc/default/flanneld"), "FLANNELD_IP_MASQ=true\n");
    await changeTo("vxlan");
    // Peers are known a moment before their routes are there.
    const whole = /^172\.30\.\d+\.0\/24 .* dev flannel\.1 proto flannel .*\n172.*$/;
    const isDone = async () => whole.test((await leftOn(0)).routes.join("\n")) || null;
    await waitFor("the routes to both peers", isDone, seconds(60), signal);
    const before = await leftOn(0);
    const { routes, devices, chains } = before;
    // That of the udp backend is left from an earlier config.
    assert.deepEqual([...devices, ...chains], ["flannel.1", "flannel0", "FLANNEL-FWD", "FLANNEL-POSTRTG"]);
    // The reboot has taken the bridge from the second machine's pod.
    await underTraffic(() => on(0, "apt-get", "remove", "-y", "flanneld"), 2);
    assert.deepEqual(await leftOn(0), before);
    assert.equal((await machine(0).attempt(["systemctl", "is-active", "flanneld"], signal)).stdout, "inactive\n");
    await on(0, "apt-get", "purge", "-y", "flanneld");
    const names = ["/run/flannel", "/var/lib/flannel", "/usr/lib/flannel", "/etc/default/flanneld"];
    const left = await machine(0).attempt(["ls", "-d", ...names, "/etc/iproute2/rt_protos.d/flannel.conf"], signal);
    assert.equal(left.stdout, "");
    const unnamed = routes.map((route) => route.replace("proto flannel", "proto 70"));
    assert.deepEqual(await leftOn(0), { ...before, routes: unnamed });
  });

  it("is taken away altogether by the commands of the guide", async () => {
    await on(0, "nft", "add", "table", "ip", "flannel-ipv4");
    // The second time there is nothing to take away.
    for (const _ of ["once", "again"]) {
      await on(0, "sh", "-c", commandsOf(readFileSync(join(ROOT, "docs/install.md"), "utf8"), "take-away"));
      assert.deepEqual(await leftOn(0), { routes: [], devices: [], chains: [] });
      assert.doesNotMatch(await on(0, "iptables-save"), /flannel/i);
      assert.doesNotMatch(await on(0, "nft", "list", "tables"), /flannel/);
    }
  });
});
