import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Flanneld, FlanneldOptions } from "../../lab/flanneld.ts";
import { run, toolEnvironment } from "../../lab/run.ts";
import { inNamespace, ipBatch, type Machine } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { type Peer, VXLAN } from "../support/backend-profiles.ts";
import { type Authority, type Office, openOffice, type Pair } from "../support/certificates.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { watchDataPlane, within } from "../support/etcd-outage.ts";
import { createOverlayHost, type OverlayHost } from "../support/overlay-host.ts";

const { signal } = new AbortController();
/** Peers come and go here faster than in any network; that those that go together are kept is tested elsewhere. */
const FLAGS = ["--stale-peer-grace=0"];
const LONG = seconds(60);
const ETCD_ADDRESS = "192.168.77.2";
const LAUNCHER = join(import.meta.dirname, "../../../bin/flanneld");

function phantom(number: number): Peer {
  return { base: `10.5.${number}.0`, ip: `192.168.77.${number}`, mac: `02:00:00:00:03:${number.toString(16)}` };
}

/** A record that is written now is in the kernel of the first host, and goes again. */
async function follows(host: OverlayHost, number: number): Promise<void> {
  await host.putPeer(phantom(number));
  await host.shows(VXLAN.peerLines(phantom(number)), LONG);
  await host.deletePeer(phantom(number));
  await host.forgets(phantom(number).base);
}

const noOps = async () => 0;

describe("a daemon that speaks TLS to etcd", () => {
  let office: Office;
  let authority: Authority;
  let admin: Pair;
  let cluster: Cluster;
  let host: OverlayHost;
  let daemon: Flanneld;
  let own: { readonly caFile: string; readonly certFile: string; readonly keyFile: string };

  before(async () => {
    office = openOffice(signal);
    authority = await office.authority("etcd-ca");
    admin = await authority.client();
    const server = await authority.server([ETCD_ADDRESS], 400);
    const tls = { ...server, clientCaFile: authority.caFile };
    const etcdctl = [`--cacert=${authority.caFile}`, `--cert=${admin.certFile}`, `--key=${admin.keyFile}`];
    cluster = await openCluster(2, VXLAN.config, signal, { tls, etcdctl });
    own = {
      caFile: join(office.directory, "own-ca.crt"),
      certFile: join(office.directory, "own.crt"),
      keyFile: join(office.directory, "own.key"),
    };
    copyFileSync(authority.caFile, own.caFile);
    install(await authority.client(20));
    const daemons = await cluster.startAll({ flags: flagsOf() });
    daemon = daemons[0] as Flanneld;
    host = createOverlayHost(cluster, VXLAN, signal);
    await host.shows(VXLAN.peerLines(await host.peer(1)));
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    office?.[Symbol.dispose]();
  });

  const flagsOf = () => [
    ...FLAGS,
    `--etcd-cafile=${own.caFile}`,
    `--etcd-certfile=${own.certFile}`,
    `--etcd-keyfile=${own.keyFile}`,
  ];

  function install({ certFile, keyFile }: Pair): void {
    for (const [from, to] of [
      [certFile, own.certFile],
      [keyFile, own.keyFile],
    ] as const) {
      copyFileSync(from, `${to}.new`);
      renameSync(`${to}.new`, to);
    }
  }

  it("warns of the end of its certificate, and again after a restart", async () => {
    const warning = /expires soon certificate="the client certificate \S+own\.crt \(--etcd-certfile\)".* days=20\b/;
    await daemon.waitForLog(warning, LONG, signal);
    await daemon.stop(signal);
    daemon = cluster.start(0, { flags: flagsOf() });
    await daemon.ready(signal);
    await daemon.waitForLog(warning, LONG, signal);
    assert.equal(daemon.log().match(/expires soon/g)?.length, 1);
  });

  it("takes up a new certificate on SIGHUP at once, and when it is replaced within seconds; no packet is lost", async (test) => {
    using plane = await watchDataPlane(cluster, host, noOps);
    const count = () => daemon.log().match(/read new TLS files for etcd/g)?.length ?? 0;
    install(await authority.client(100));
    await within(seconds(5), "taking up a certificate on SIGHUP", test, async () => {
      process.kill(daemon.pid, "SIGHUP");
      await waitFor("the certificate", () => (count() === 1 ? true : null), LONG, signal);
    });
    install(await authority.client(200));
    await within(seconds(20), "finding a certificate that was replaced", test, async () => {
      await waitFor("the certificate", () => (count() === 2 ? true : null), LONG, signal);
    });
    await follows(host, 240);
    await plane.lostNothing();
    assert.doesNotMatch(daemon.log(), /lost the connection/);
  });

  it("outlives its certificate: says that it has expired, keeps the host as it is, and goes on with a new one", async () => {
    using plane = await watchDataPlane(cluster, host, noOps);
    install(await authority.client(5 / 86_400));
    process.kill(daemon.pid, "SIGHUP");
    await daemon.waitForLog(/has expired certificate="the client certificate .* hint=/, LONG, signal);
    await cluster.etcd.stop();
    await cluster.etcd.start();
    await daemon.waitForLog(
      /lost the connection to etcd .*own\.crt expired at .*: replace it and its key/,
      LONG,
      signal,
    );
    await plane.lostNothing();
    install(await authority.client(90));
    await daemon.waitForLog(/connected to etcd again/, LONG, signal);
    await follows(host, 241);
  });

  it("is not ended by SIGHUP from its first moment on, nor without anything to read again", async () => {
    await daemon.stop(signal);
    for (let n = 0; n < 5; n++) {
      daemon = cluster.start(0, { flags: flagsOf() });
      await daemon.waitForLog(/starting flanneld/, LONG, signal);
      for (let turn = 0; turn < 10; turn++) process.kill(daemon.pid, "SIGHUP");
      await daemon.ready(signal);
      process.kill(daemon.pid, "SIGHUP");
      await daemon.waitForLog(/they are as they were/, LONG, signal);
      assert.equal(await daemon.stop(signal), 0);
    }
    await using plain = await openCluster(1, VXLAN.config, signal);
    const other = plain.start(0);
    await other.ready(signal);
    process.kill(other.pid, "SIGHUP");
    await other.waitForLog(/there are no files for etcd to read again/, LONG, signal);
  });
});

/** As systemd starts the service: its file is in the environment, and where it belongs. */
function startWithSettings({ directory }: Machine, start: (options: Partial<FlanneldOptions>) => Flanneld) {
  const settings = join(directory, "default");
  mkdirSync(settings);
  const setPassword = (password: string) => {
    const lines = ["FLANNELD_ETCD_USERNAME=flannel", `FLANNELD_ETCD_PASSWORD=${password}`];
    writeFileSync(join(settings, "flanneld"), `${lines.join("\n")}\n`, { mode: 0o600 });
  };
  setPassword("s3cret-word");
  const program = join(directory, "flanneld-service");
  // `ip netns exec` has given it mounts of its own.
  const lines = [`mount --bind ${settings} /etc/default`, "set -a", ". /etc/default/flanneld", `exec ${LAUNCHER} "$@"`];
  writeFileSync(program, `#!/bin/sh -e\n${lines.join("\n")}\n`, { mode: 0o755 });
  return { setPassword, daemon: start({ program, flags: [...FLAGS, `--state-dir=${join(directory, "state")}`] }) };
}

describe("a daemon with a user name and a password", () => {
  it("goes on when authentication is switched on, the password changes and changes back; no packet is lost", async () => {
    await using cluster = await openCluster(2, VXLAN.config, signal);
    const flags = [...FLAGS, "--etcd-username=flannel", "--etcd-password=s3cret-word"];
    const daemon = cluster.start(0, { flags });
    const service = startWithSettings(cluster.hosts[1] ?? assert.fail(), (options) => cluster.start(1, options));
    for (const one of [daemon, service.daemon]) await one.ready(signal);
    const host = createOverlayHost(cluster, VXLAN, signal);
    await host.shows(VXLAN.peerLines(await host.peer(1)));
    using plane = await watchDataPlane(cluster, host, noOps);
    const root = "--user=root:root";
    await cluster.etcdctl("user", "add", "root:root");
    await cluster.etcdctl("user", "add", "flannel:s3cret-word");
    await cluster.etcdctl("role", "add", "flannel");
    await cluster.etcdctl("role", "grant-permission", "flannel", "readwrite", "--prefix=true", `${PREFIX}/`);
    await cluster.etcdctl("user", "grant-role", "flannel", "flannel");
    await cluster.etcdctl("user", "grant-role", "root", "root");
    await cluster.etcdctl("auth", "enable");
    const setPassword = (password: string) =>
      run(
        inNamespace(cluster.topology.etcd.namespace, [
          ...["env", "ETCDCTL_API=3", "etcdctl", `--endpoints=${cluster.endpoint}`, root],
          ...["user", "passwd", "flannel", "--interactive=false"],
        ]),
        { input: `${password}\n` },
        signal,
      );
    const put = async (number: number) => {
      const key = `${PREFIX}/subnets/${phantom(number).base}-24`;
      await cluster.etcdctl(root, "put", key, VXLAN.record(phantom(number)));
      await host.shows(VXLAN.peerLines(phantom(number)), LONG);
      await cluster.etcdctl(root, "del", key);
      await host.forgets(phantom(number).base);
    };
    await put(242);
    await setPassword("an0ther-word");
    await cluster.etcd.stop();
    await cluster.etcd.start();
    for (const one of [daemon, service.daemon]) {
      await one.waitForLog(/lost the connection .*authentication failed.*check -etcd-username/, LONG, signal);
    }
    service.setPassword("an0ther-word");
    await service.daemon.waitForLog(/are others in the service's settings/, LONG, signal);
    await service.daemon.waitForLog(/connected to etcd again/, LONG, signal);
    service.setPassword("s3cret-word");
    await setPassword("s3cret-word");
    await daemon.waitForLog(/connected to etcd again/, LONG, signal);
    await put(243);
    await plane.lostNothing();
    for (const one of [daemon, service.daemon]) assert.doesNotMatch(one.log(), /s3cret|an0ther/);
  });
});

describe("an etcd behind a name", () => {
  it("is found at its new address when the name has moved, without a restart", async (test) => {
    const flags = ["--listen-client-urls=http://0.0.0.0:2379"];
    await using cluster = await openCluster(2, VXLAN.config, signal, { flags });
    const { namespace } = cluster.topology.etcd;
    const [first] = cluster.hosts;
    assert.ok(first);
    const directory = `/etc/netns/${first.namespace}`;
    const moveTo = (address: string) =>
      writeFileSync(join(directory, "hosts"), `127.0.0.1 localhost\n${address} etcd.test\n`);
    mkdirSync(directory, { recursive: true });
    try {
      moveTo(ETCD_ADDRESS);
      const daemon = cluster.start(0, { etcdEndpoints: ["http://etcd.test:2379"], flags: FLAGS });
      await daemon.ready(signal);
      const second = cluster.start(1);
      await second.ready(signal);
      const host = createOverlayHost(cluster, VXLAN, signal);
      await host.shows(VXLAN.peerLines(await host.peer(1)));
      using plane = await watchDataPlane(cluster, host, noOps);
      // The old address answers no more, as of a machine that is gone. etcdctl, beside etcd, still has it.
      const moved = [`addr del ${ETCD_ADDRESS}/24 dev eth0`, "addr add 192.168.77.3/24 dev eth0"];
      await ipBatch(namespace, [...moved, `addr add ${ETCD_ADDRESS}/32 dev lo`], signal);
      const gone = `table inet gone {
        chain arriving { type filter hook input priority 0; iifname eth0 ip daddr ${ETCD_ADDRESS} drop; }
        chain leaving { type filter hook output priority 0; oifname eth0 ip saddr ${ETCD_ADDRESS} drop; }
      }\n`;
      await run(inNamespace(namespace, ["nft", "-f", "-"]), { input: gone }, signal);
      moveTo("192.168.77.3");
      await within(seconds(30), "finding etcd at its new address", test, () => follows(host, 244));
      await plane.lostNothing();
      assert.ok(daemon.running());
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe("an etcd with a round trip of two seconds", () => {
  it("starts a host with 150 peers in the time of some round trips, whatever their number", async (test) => {
    await using cluster = await openCluster(2, VXLAN.config, signal);
    const { namespace, address } = cluster.topology.etcd;
    for (let n = 0; n < 150; n++)
      await cluster.etcdctl("put", `${PREFIX}/subnets/10.5.${n}.0-24`, VXLAN.record(distant(n)));
    const program = join(import.meta.dirname, "../support/slow-path-end.js");
    const [command = "", ...args] = inNamespace(namespace, [
      process.execPath,
      program,
      address,
      "2379",
      "12379",
      "1000",
    ]);
    const slow = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"], env: toolEnvironment() });
    try {
      await once(slow.stdout, "data");
      await within(seconds(30), "starting", test, async () => {
        const daemon = cluster.start(0, { etcdEndpoints: [`http://${address}:12379`], flags: FLAGS });
        await daemon.waitForLog(/flannel is ready/, LONG, signal);
      });
      assert.equal((await cluster.on(0, "ip", "route", "show", "dev", "flannel.1")).trim().split("\n").length, 150);
      assert.ok(readFileSync(join(cluster.hosts[0]?.directory ?? "", "subnet.env"), "utf8").includes("10.5."));
    } finally {
      slow.kill("SIGKILL");
    }
  });

  function distant(number: number): Peer {
    return { base: "", ip: `192.168.78.${number + 1}`, mac: `02:00:00:00:04:${number.toString(16).padStart(2, "0")}` };
  }
});
