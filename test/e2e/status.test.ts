import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { parseTarGzip } from "nanotar";
import type { Flanneld } from "../../lab/flanneld.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { StatusEvent } from "../../src/status/events.ts";
import type { DaemonStatus } from "../../src/status/snapshot.ts";
import { type AskedDaemon, askedDaemon, socketDirectory } from "../support/asked-daemon.ts";
import { UDP, VXLAN } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";

const { signal } = new AbortController();
const PROGRAM = join(import.meta.dirname, "../../../bin/flanneld");
const LIMIT = seconds(30);
const PASSWORD = "not-for-0thers";

describe("a daemon of vxlan", () => {
  let cluster: Cluster;
  let daemon: Flanneld;
  let other: Flanneld;
  let first: AskedDaemon;

  before(async () => {
    cluster = await openCluster(2, null, signal);
    first = askedDaemon(cluster, 0, signal);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const shell = (line: string) => cluster.on(0, "sh", "-c", line);

  it("that does not run is 2, with a sentence", async () => {
    const { status, stderr } = await first.ask("status");
    assert.equal(status, 2);
    assert.match(
      stderr,
      /^flanneld: no flanneld answers at .*flanneld\.sock: none runs here, or its socket is elsewhere: systemctl/m,
    );
  });

  it("that waits for its config says so", async () => {
    const environment = { FLANNELD_ETCD_USERNAME: "", FLANNELD_MY_PASSWORD: PASSWORD };
    daemon = cluster.start(0, { environment });
    await first.tells("what it waits for", ({ checks }) => /no network config/.test(checks[0]?.reason ?? ""));
    const { status, stdout } = await first.ask("status");
    assert.equal(status, 2);
    assert.match(stdout, /^flanneld \d+\.\d+\.\d+ {2}not ready {2}process \d+, up/);
    assert.match(stdout, /^not ready\n {2}config +there is no network config/m);
    await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(VXLAN.config));
    await daemon.ready(signal);
  });

  it("that is ready is 0, and tells of itself and its peers what the kernel tells", async () => {
    other = cluster.start(1);
    await other.ready(signal);
    const status = await first.tells("a programmed peer", ({ peers }) => peers[0]?.state === "programmed");
    const { lease, backend, underlay, network, peers, reconcile, process, store } = status;
    assert.equal((await first.ask("status")).status, 0);
    const file = readFileSync(daemon.subnetFile, "utf8");
    assert.ok(lease?.subnet && file.includes(`FLANNEL_SUBNET=${lease.subnet.replace(".0/", ".1/")}`), file);
    assert.ok((lease.remainingSeconds ?? 0) > 86_000 && lease.held && lease.renewed !== null);
    assert.deepEqual(backend, {
      type: "vxlan",
      device: "flannel.1",
      mtu: 1450,
      devices: [{ name: "flannel.1", mtu: 1450 }],
    });
    assert.deepEqual([underlay?.interface, underlay?.publicIp], ["eth0", cluster.hosts[0]?.address]);
    assert.equal(network?.ipv4, "10.5.0.0/16");
    assert.equal(process.pid, daemon.pid);
    assert.deepEqual([peers.length, peers[0]?.publicIp], [1, cluster.hosts[1]?.address]);
    assert.match(await shell("ip route show dev flannel.1"), new RegExp(`^${peers[0]?.subnet} `, "m"));
    assert.deepEqual(reconcile?.desired, { link: 1, address: 1, fdb: 1, neighbour: 1, route: 1 });
    assert.deepEqual(reconcile?.actual, reconcile?.desired);
    assert.ok(store.connected && store.requests.some(({ op, seconds }) => op === "txn" && seconds.count > 0));
    assert.ok((process.openFiles ?? 0) > 5 && process.residentBytes > 1e7);
  });

  it("counts the time from a record to the kernel", async () => {
    const { propagation } = await first.tells("a propagation", ({ propagation }) => (propagation?.count ?? 0) > 0);
    assert.ok(propagation && propagation.sum / propagation.count < 5);
  });

  it("has a socket that only root and its group may open", () => {
    const { mode } = statSync(first.socket);
    assert.equal(mode & 0o777, 0o660);
  });

  it("lists its peers and the records that it leaves out", async () => {
    await cluster.etcdctl("put", `${PREFIX}/subnets/10.5.210.0-24`, "bar");
    await first.tells("the bad record", ({ leftOut }) => leftOut[0]?.key === "10.5.210.0-24");
    const { status, stdout } = await first.ask("peers");
    assert.equal(status, 0);
    assert.match(stdout, /^SUBNET +PUBLIC IP +STATE +FOR +RTT$/m);
    assert.match(stdout, new RegExp(`^10\\.5\\.\\d+\\.0/24 +${cluster.hosts[1]?.address} +programmed +\\d+s +-$`, "m"));
    assert.match(stdout, /^10\.5\.210\.0-24 +- +/m);
    assert.match(stdout, /^1 programmed, 0 missing, 0 held, 1 refused$/m);
    await cluster.etcdctl("del", `${PREFIX}/subnets/10.5.210.0-24`);
  });

  it("says what it has repaired", async () => {
    const { peers } = await first.snapshot();
    await shell(`ip route del ${peers[0]?.subnet}`);
    const { reconcile } = await first.tells("the repair", ({ reconcile }) => (reconcile?.repairs["route"] ?? 0) > 0);
    assert.match(reconcile?.lastRepairs.at(-1)?.object ?? "", new RegExp(`^route ${peers[0]?.subnet} via`));
    assert.match((await first.ask("status")).stdout, /^last repairs\n +\d+s ago +create route 10\.5\./m);
  });

  it("has a peer that is missing while something stands in its place", async () => {
    await shell("ip route add 10.5.211.0/24 dev lo");
    const record = VXLAN.record({ base: "10.5.211.0", ip: "192.168.77.211", mac: "02:00:00:00:03:d3" });
    await cluster.etcdctl("put", `${PREFIX}/subnets/10.5.211.0-24`, record);
    // Before all else was made, something else was missing.
    const missing = ({ peers }: DaemonStatus) =>
      peers.some(
        ({ subnet, state, reason }) =>
          subnet === "10.5.211.0/24" && state === "missing" && /^route .* is not in the kernel$/.test(reason ?? ""),
      );
    await first.tells("the missing peer", missing);
    const { status, stdout } = await first.ask("peers");
    assert.equal(status, 1);
    assert.match(stdout, /^10\.5\.211\.0\/24 .* missing .* route 10\.5\.211\.0\/24 .* is not in the kernel$/m);
    await shell("ip route del 10.5.211.0/24 dev lo");
    await cluster.etcdctl("del", `${PREFIX}/subnets/10.5.211.0-24`);
    await first.tells("one peer", ({ peers }) => peers.length === 1);
  });

  it("tells what happens to whoever follows", async () => {
    const [program = "", ...args] = inNamespace(cluster.hosts[0]?.namespace ?? "", [
      ...[PROGRAM, "events", "--follow", "--json", `--socket=${first.socket}`],
    ]);
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const events: StatusEvent[] = [];
      createInterface({ input: child.stdout }).on("line", (line) => events.push(JSON.parse(line)));
      const event = (kind: string, field: string) =>
        waitFor(
          kind,
          () => events.find((one) => one.kind === kind && JSON.stringify(one.fields).includes(field)) ?? null,
          LIMIT,
          signal,
        );
      await event("flannel is ready", "10.5.");
      await event("a peer has joined", cluster.hosts[1]?.address ?? "");
      await event("a peer has left", "10.5.211.0/24");
      const before = events.length;
      await cluster.etcdctl("put", `${PREFIX}/subnets/10.5.212.0-24`, "bar");
      const left = await event("a record in etcd is left out", "10.5.212.0-24");
      assert.ok(left.seq >= before && left.level === "warn");
      await cluster.etcdctl("del", `${PREFIX}/subnets/10.5.212.0-24`);
      assert.ok(events.every(({ seq }, index) => seq === index + 1));
    } finally {
      child.kill("SIGINT");
    }
  });

  it("ends with whoever follows no longer, although nothing happens", async () => {
    const events = (await first.ask("events")).stdout.split("\n").length - 1;
    const line = `timeout 60 ${PROGRAM} events --follow --socket=${first.socket} | head -${events}`;
    const shown = await cluster.on(0, "bash", "-c", `set -o pipefail; ${line}`);
    assert.equal(shown.split("\n").length - 1, events);
  });

  it("logs more from now on when it is told to, and less again", async () => {
    assert.equal((await first.ask("log-level", "debug")).stdout, "debug (was info)\n");
    const { peers } = await first.snapshot();
    await shell(`ip route del ${peers[0]?.subnet}`);
    await daemon.waitForLog(/DEBUG kernel state changed/, LIMIT, signal);
    assert.equal((await first.ask("log-level", "info")).stdout, "info (was debug)\n");
  });

  it("reads its files again when it is asked, also by curl's words", async () => {
    const script = `require("node:http").request({socketPath:${JSON.stringify(first.socket)},method:"POST",path:"/reload"}).end()`;
    await cluster.on(0, "node", "-e", script);
    await daemon.waitForLog(/there are no files for etcd to read again/, LIMIT, signal);
  });

  it("puts everything but secrets into a report", async () => {
    const path = join(cluster.hosts[0]?.directory ?? "", "report.tar.gz");
    const { status, stdout } = await first.ask("bugreport", path);
    assert.deepEqual([status, statSync(path).mode & 0o777], [0, 0o600], stdout);
    const files = new Map(
      (await parseTarGzip(readFileSync(path))).map(({ name, text }) => [name.slice(name.indexOf("/") + 1), text]),
    );
    assert.match(files.get("kernel/ip-link.txt") ?? "", /flannel\.1:[\s\S]*vxlan id 1/);
    assert.match(files.get("kernel/bridge-fdb.txt") ?? "", /dst \S+ self permanent/);
    assert.match(files.get("kernel/ip-route.txt") ?? "", /10\.5\.\d+\.0\/24 via .* dev flannel\.1 proto 70/);
    assert.match(files.get("kernel/sysctl.txt") ?? "", /net\.ipv4\.ip_forward = /);
    assert.match(files.get("firewall/iptables.txt") ?? "", /FLANNEL-FWD/);
    assert.match(files.get(`process/${daemon.pid}/cmdline`) ?? "", /--etcd-endpoints=/);
    assert.equal(JSON.parse(files.get("daemon/status.json") ?? "").state, "ready");
    assert.match(files.get("daemon/events.json") ?? "", /flannel is ready/);
    for (const [name, text] of files) assert.ok(!text.includes(PASSWORD), name);
    const again = await first.ask("bugreport", path);
    assert.equal(again.status, 65);
    assert.match(again.stderr, /there is a file already/);
  });

  it("is degraded while etcd is away, 1, and as it was when it is back", async () => {
    cluster.etcd.freeze();
    const isAway = ({ degraded }: DaemonStatus) =>
      degraded.some(({ name, reason }) => name === "etcd" && reason !== null);
    const away = await first.tells("the loss", isAway);
    assert.deepEqual([away.state, away.store.connected], ["degraded", false]);
    const { status, stdout } = await first.ask("status");
    assert.equal(status, 1);
    assert.match(stdout, /^degraded\n {2}etcd +\S/m);
    cluster.etcd.thaw();
    const back = await first.tells("the return", ({ state }) => state === "ready");
    assert.ok((back.store.watch?.restarts ?? 0) > 0 && back.store.lastError !== null);
    assert.ok(back.store.requests.some(({ errors }) => errors.some(({ code }) => code === "etcd.unavailable")));
  });

  it("leaves a socket when it is killed, which is known for one and replaced", async () => {
    await daemon.kill(signal);
    const { status, stderr } = await first.ask("status");
    assert.deepEqual([status, existsSync(first.socket)], [2, true]);
    assert.match(stderr, /the daemon that made the socket has ended/);
    daemon = cluster.start(0);
    await daemon.ready(signal);
    assert.equal((await first.snapshot()).process.pid, daemon.pid);
  });

  it("has none left when it has ended", async () => {
    await other.stop(signal);
    await daemon.stop(signal);
    assert.equal(existsSync(first.socket), false);
  });
});

describe("daemons of several networks on one host", () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await openCluster(1, UDP.config, signal);
    await cluster.etcdctl("put", "/blue/config", '{"Network":"10.7.0.0/16","Backend":{"Type":"udp","Port":8286}}');
    await cluster.etcdctl("put", "/green/config", '{"Network":"10.8.0.0/16","Backend":{"Type":"host-gw"}}');
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  it("have sockets of their own, and status finds all", async () => {
    const first = askedDaemon(cluster, 0, signal);
    const directory = socketDirectory(first);
    await cluster.start(0).ready(signal);
    const blue = cluster.start(0, { flags: ["--etcd-prefix=/blue", `--subnet-file=${join(directory, "blue.env")}`] });
    await blue.waitForLog(/flannel is ready subnet=10\.7\./, LIMIT, signal);
    const green = cluster.start(0, {
      flags: ["--etcd-prefix=/green", `--subnet-file=${join(directory, "green.env")}`],
    });
    await green.waitForLog(/flannel is ready subnet=10\.8\./, LIMIT, signal);
    const { status, stdout, stderr } = await cluster.tryOn(0, PROGRAM, "status", `--socket=${directory}`);
    assert.deepEqual([status, stderr], [0, ""], stdout);
    assert.match(stdout, /flanneld-blue\.sock\nflanneld .*\n {2}network +10\.7\.0\.0\/16 at \/blue\/config/);
    assert.match(stdout, /flanneld\.sock\nflanneld .*\n {2}network +10\.5\.0\.0\/16 at /);
    assert.match(stdout, /^ {2}datapath +received \d+ packets/m);
    const unclear = await cluster.tryOn(0, PROGRAM, "peers", `--socket=${directory}`);
    assert.deepEqual([unclear.status, /several daemons run/.test(unclear.stderr)], [64, true]);
  });
});

describe("a daemon that cannot have its socket", () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await openCluster(1, VXLAN.config, signal);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  it("does its work and says so", async () => {
    const daemon = cluster.start(0, { flags: ["--control-socket=/proc/flanneld.sock", "--healthz-port=8081"] });
    await daemon.waitForLog(
      /WARN +nobody can ask this daemon for its status path=\/proc\/flanneld\.sock/,
      LIMIT,
      signal,
    );
    await daemon.ready(signal);
    const script = `fetch("http://127.0.0.1:8081/readyz").then(async (r) => console.log(r.status, await r.text()))`;
    assert.match(await cluster.on(0, "node", "-e", script), /^200 flanneld is ready, but degraded: control-socket: /);
    await daemon.stop(signal);
  });

  it("has none when it shall not", async () => {
    const daemon = cluster.start(0, { flags: ["--control-socket=none"] });
    await daemon.ready(signal);
    assert.equal(existsSync(askedDaemon(cluster, 0, signal).socket), false);
    assert.ok(!daemon.log().includes("nobody can ask"));
    await daemon.stop(signal);
  });
});
