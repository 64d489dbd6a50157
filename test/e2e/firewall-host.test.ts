// What a host may have been through before, or lack: other rules, another mode, no iptables, a lock that is held.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { addPod, deletePod, parseSubnetEnv } from "../../lab/cni.ts";
import type { Flanneld, FlanneldOptions } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { FORWARD_JUMP, goForward, goMasquerade, MASQ_JUMP } from "../support/firewall.ts";
import { type IptablesVariant, keepPinging, pathWith } from "../support/firewall-host.ts";
import { LIMIT } from "../support/overlay-host.ts";

const { signal } = new AbortController();
const NET = "10.5.0.0/16";
const PROGRAM = join(import.meta.dirname, "../../../bin/flanneld");

let cluster: Cluster;
let daemon: Flanneld | null = null;
let paths: Readonly<Record<IptablesVariant, string>>;

const shell = (line: string) => cluster.on(0, "sh", "-c", line);
const putConfig = async (nftables: boolean) => {
  const config = { Network: NET, EnableNFTables: nftables, Backend: { Type: "vxlan" } };
  await cluster.etcdctl("put", `${PREFIX}/config`, JSON.stringify(config));
};

async function start(flags: readonly string[], options: Partial<FlanneldOptions> = {}): Promise<Flanneld> {
  await daemon?.stop(signal);
  daemon = cluster.start(0, { flags: ["--iptables-resync=1", ...flags], ...options });
  await daemon.ready(signal);
  return daemon;
}

const withPath = (kind: IptablesVariant): Partial<FlanneldOptions> => ({ environment: { PATH: paths[kind] } });

/** Every rule of ours, wherever it is, without what differs between kinds of iptables. */
async function flannelRules(): Promise<readonly string[]> {
  const save = (tool: string) => shell(`${tool} | grep -v '^#' | grep -i flannel || true`);
  const nft = await shell("nft list tables | grep flannel || true");
  const texts = [await save("iptables-nft-save"), await save("iptables-legacy-save"), nft];
  return texts.map((text) => text.trim().split("\n").sort().join("\n"));
}

async function becomes(expected: readonly string[]): Promise<void> {
  let last: readonly string[] = [];
  const look = async () => {
    last = await flannelRules();
    return JSON.stringify(last) === JSON.stringify(expected) ? true : null;
  };
  await waitFor("the rules", look, LIMIT, signal).catch(() => assert.deepEqual(last, expected));
}

function podSubnet(one: Flanneld): string {
  return parseSubnetEnv(readFileSync(one.subnetFile, "utf8")).subnet.replace(/\.1\/24$/, ".0/24");
}

/** All of ours in iptables. */
function wholeSet(one: Flanneld): string {
  const chains = [":FLANNEL-POSTRTG - [0:0]", ":FLANNEL-FWD - [0:0]"];
  const rules = [MASQ_JUMP, FORWARD_JUMP, ...goMasquerade(NET, podSubnet(one)), ...goForward(NET)];
  return [...chains, ...rules].sort().join("\n");
}

before(async () => {
  cluster = await openCluster(1, null, signal);
  paths = { nft: pathWith(cluster, "nft"), legacy: pathWith(cluster, "legacy") };
  await putConfig(false);
});
afterEach(async () => {
  await daemon?.[Symbol.asyncDispose]();
  daemon = null;
  await shell("ip link del cni0 2>/dev/null || true; ip route flush type blackhole");
  await shell("nft flush ruleset; for t in nat filter; do iptables-legacy -t $t -F; iptables-legacy -t $t -X; done");
  await putConfig(false);
});
after(async () => cluster?.[Symbol.asyncDispose]());

describe("a host with rules of a Go daemon", () => {
  for (const kind of ["nft", "legacy"] as const) {
    it(`for an old network and an old subnet, in iptables-${kind}, is left with exactly ours`, async () => {
      const iptables = `iptables-${kind}`;
      const lines = [
        "-t nat -N FLANNEL-POSTRTG",
        "-N FLANNEL-FWD",
        `-t nat ${MASQ_JUMP}`,
        FORWARD_JUMP,
        ...goMasquerade("10.9.0.0/16", "10.9.1.0/24").map((line) => `-t nat ${line}`),
        ...goMasquerade(NET, "10.5.250.0/24").map((line) => `-t nat ${line}`),
        ...goForward("10.9.0.0/16"),
      ];
      await shell(lines.map((line) => `${iptables} ${line}`).join(" && "));
      const file = join(cluster.hosts[0]?.directory ?? "", "subnet.env");
      const old = "FLANNEL_NETWORK=10.9.0.0/16\nFLANNEL_SUBNET=10.9.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
      writeFileSync(file, old);
      const one = await start(["--ip-masq"], withPath(kind));
      const whole = wholeSet(one);
      await becomes(kind === "nft" ? [whole, "", ""] : ["", whole, ""]);
    });
  }

  it("keeps what Docker and firewalld have there, byte for byte", async () => {
    await shell(
      [
        "iptables-nft -t nat -N DOCKER",
        "iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        "iptables-nft -N DOCKER-USER",
        "iptables-nft -A FORWARD -j DOCKER-USER",
        "iptables-nft -A DOCKER-USER -j RETURN",
        "nft add table inet firewalld",
        "nft 'add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; policy accept; }'",
      ].join(" && "),
    );
    const others = async () => {
      const text = await shell("iptables-nft-save; nft list table inet firewalld");
      return text.split("\n").filter((line) => !line.startsWith("#") && !/flannel/i.test(line));
    };
    const before = await others();
    const one = await start(["--ip-masq"], withPath("nft"));
    await becomes([wholeSet(one), "", ""]);
    assert.deepEqual(await others(), before);
    await start(["--ip-masq=false", "--iptables-forward-rules=false"], withPath("nft"));
    await becomes(["", "", ""]);
    assert.deepEqual(await others(), before);
  });
});

describe("a host that changes how its rules are kept", () => {
  it("from iptables to nftables and back has the rules of one of them only, and loses no packet", async () => {
    const one = await start(["--ip-masq"], withPath("nft"));
    const pod = await addPod(one.host, "pod", one.subnetFile, signal);
    const pinging = keepPinging(pod.namespace, cluster.topology.etcd.address);
    await becomes([wholeSet(one), "", ""]);
    await putConfig(true);
    await start(["--ip-masq"], withPath("nft"));
    await becomes(["", "", "table ip flannel-ipv4"]);
    await putConfig(false);
    const back = await start(["--ip-masq"], withPath("nft"));
    await becomes([wholeSet(back), "", ""]);
    const { sent, lost } = await pinging.stop();
    assert.ok(sent > 100, `${sent} sent`);
    assert.equal(lost, 0, `of ${sent}`);
    await deletePod(pod, back.subnetFile, signal);
  });

  it("from one kind of iptables to the other has the rules of one of them only", async () => {
    const legacy = await start(["--ip-masq"], withPath("legacy"));
    await becomes(["", wholeSet(legacy), ""]);
    const nft = await start(["--ip-masq"], withPath("nft"));
    await becomes([wholeSet(nft), "", ""]);
  });

  it("from random ports to others has the rule without them", async () => {
    await start(["--ip-masq"], withPath("nft"));
    assert.match(await shell("iptables-nft-save"), /--random-fully/);
    await start(["--ip-masq", "--ip-masq-fully-random-disable"], withPath("nft"));
    assert.doesNotMatch(await shell("iptables-nft-save"), /--random-fully/);
    assert.match(await shell("iptables-nft-save"), /-j MASQUERADE/);
  });
});

describe("rules that somebody flushes long before the next check", () => {
  const rare = ["--ip-masq", "--iptables-resync=3600"];

  it("are back at once in iptables-nft, because the kernel says so", async () => {
    const one = await start(rare, withPath("nft"));
    await becomes([wholeSet(one), "", ""]);
    await shell("iptables-nft -t nat -F; iptables-nft -F");
    await becomes([wholeSet(one), "", ""]);
  });

  it("are back at once in nftables", async () => {
    await putConfig(true);
    await start(rare, withPath("nft"));
    await becomes(["", "", "table ip flannel-ipv4"]);
    await shell("nft flush ruleset");
    await becomes(["", "", "table ip flannel-ipv4"]);
  });
});

describe("a host without iptables", () => {
  /** The daemon, seeing an empty directory in the place of root's tools. */
  function bareProgram(): { readonly words: readonly string[]; readonly path: string } {
    const directory = cluster.topology.run.directory;
    const empty = join(directory, "empty");
    mkdirSync(empty, { recursive: true });
    const script = `mount --bind ${empty} /usr/sbin && exec ${PROGRAM} "$@"`;
    const path = join(directory, "bare-flanneld");
    writeFileSync(path, `#!/bin/sh\nexec unshare -m sh -c '${script}' flanneld "$@"\n`);
    chmodSync(path, 0o755);
    return { words: [path], path };
  }

  it("starts, and says what it cannot do", async () => {
    const one = await start([], { program: bareProgram().path });
    assert.match(one.log(), /forwarded traffic of the overlay network is not accepted .*no iptables-restore/);
    assert.match(readFileSync(one.subnetFile, "utf8"), /^FLANNEL_IPMASQ=false$/m);
  });

  it("is told what to install when masquerading was asked for, before anything is changed", async () => {
    const flags = [`--etcd-endpoints=${cluster.endpoint}`, "--iface=eth0", "--ip-masq"];
    await shell("ip link del flannel.1 2>/dev/null || true");
    const output = await cluster.tryOn(0, ...bareProgram().words, ...flags);
    assert.match(output.stderr, /--ip-masq needs iptables-restore, which is not in the PATH: install iptables/);
    assert.equal(output.status, 78);
    assert.doesNotMatch(await shell("ip link"), /flannel\.1/);
  });
});

describe("the xtables lock", () => {
  it("that is held for a while holds up the rules only, and readiness tells it", async () => {
    const lock = join(cluster.topology.run.directory, "xtables.lock");
    const holder = spawn("flock", [lock, "sleep", "120"], { detached: true, stdio: "ignore" });
    const release = () => {
      if (holder.exitCode === null && holder.signalCode === null) process.kill(-(holder.pid ?? 0), "SIGKILL");
    };
    try {
      const isHeld = async () => ((await cluster.tryOn(0, "flock", "-n", lock, "true")).status === 0 ? null : true);
      await waitFor("the lock to be held", isHeld, LIMIT, signal);
      const environment = { PATH: paths.legacy, XTABLES_LOCKFILE: lock };
      const one = await start(["--ip-masq", "--healthz-port=8081"], { environment });
      assert.match(one.log(), /cannot keep the firewall rules reason="iptables-restore failed: exit status 4: .*lock/);
      assert.match(await shell("ip -d link show flannel.1"), /vxlan id 1/);
      assert.match(await readiness(), /^200 flanneld is ready, but degraded: .*firewall: iptables-restore failed/);
      release();
      const whole = wholeSet(one);
      const look = async () => ((await flannelRules())[1] === whole ? true : null);
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

describe("a rule of somebody else's that leaves ours without packets", () => {
  it("is named", async () => {
    await shell("iptables-nft -A FORWARD -j REJECT");
    const one = await start([], withPath("nft"));
    await one.waitForLog(/a rule before ours leaves no packet for it .*-A FORWARD -j REJECT/, LIMIT, signal);
  });
});

describe("the blackhole route", () => {
  const routes = () => shell("ip route show type blackhole");

  it("is kept while the flag is set, stays when the daemon stops, and goes with the flag", async () => {
    const one = await start(["--ip-blackhole-route"], withPath("nft"));
    const wanted = `blackhole ${podSubnet(one)} proto 70 metric 65535 \n`;
    const is = (expected: string) =>
      waitFor("the route", async () => ((await routes()) === expected ? true : null), LIMIT, signal);
    await is(wanted);
    await shell(`ip route del blackhole ${podSubnet(one)} metric 65535`);
    await is(wanted);
    await one.stop(signal);
    assert.equal(await routes(), wanted);
    await start([], withPath("nft"));
    await is("");
  });

  it("takes the place of a Go daemon's, and drops only what the bridge does not take", async () => {
    const first = await start(["--ip-blackhole-route"], withPath("nft"));
    const subnet = podSubnet(first);
    await first.stop(signal);
    await shell(`ip route flush type blackhole; ip route add blackhole ${subnet}`);
    const one = await start(["--ip-blackhole-route"], withPath("nft"));
    const look = async () => ((await routes()) === `blackhole ${subnet} proto 70 metric 65535 \n` ? true : null);
    await waitFor("our route", look, LIMIT, signal);
    const missing = await cluster.tryOn(0, "ip", "route", "get", subnet.replace(".0/24", ".9"));
    assert.notEqual(missing.status, 0, missing.stdout);
    const pod = await addPod(one.host, "pod", one.subnetFile, signal);
    assert.match(await shell(`ip route get ${pod.address}`), /dev cni0/);
    await deletePod(pod, one.subnetFile, signal);
  });
});
