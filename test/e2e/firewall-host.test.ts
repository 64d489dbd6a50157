// What a host may have been through before, or lack: other rules, another mode, no iptables.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it, type TestContext } from "node:test";
import { addPod, deletePod } from "../../lab/cni.ts";
import type { Flanneld, FlanneldOptions } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import { systemClock } from "../../src/base/clock.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { FORWARD_JUMP, goForward, goMasquerade, MASQ_JUMP } from "../support/firewall.ts";
import {
  type IptablesVariant,
  NET,
  nextCheck,
  pathWith,
  podSubnet,
  ruleCounts,
  rulesOfFlannel,
  wholeSet,
} from "../support/firewall-host.ts";
import { LIMIT } from "../support/overlay-host.ts";
import { startTraffic } from "../support/traffic.ts";

const { signal } = new AbortController();
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

const flannelRules = () => rulesOfFlannel(cluster);

async function becomes(expected: readonly string[]): Promise<void> {
  let last: readonly string[] = [];
  const look = async () => {
    last = await flannelRules();
    return JSON.stringify(last) === JSON.stringify(expected) ? true : null;
  };
  await waitFor("the rules", look, LIMIT, signal).catch(() => assert.deepEqual(last, expected));
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
    const pinging = await startTraffic(pod.namespace, cluster.topology.etcd.address);
    await becomes([wholeSet(one), "", ""]);
    await putConfig(true);
    await start(["--ip-masq"], withPath("nft"));
    await becomes(["", "", "table ip flannel-ipv4"]);
    await putConfig(false);
    const back = await start(["--ip-masq"], withPath("nft"));
    await becomes([wholeSet(back), "", ""]);
    const { sent, lost } = await pinging.stop();
    assert.ok(sent > 20, `${sent} sent`);
    assert.deepEqual(lost, [], `of ${sent}`);
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

  /** Tells how long it takes from the end of the command on. */
  async function heals(t: TestContext, command: string, expected: readonly string[]): Promise<void> {
    await becomes(expected);
    await shell(command);
    const start = systemClock.monotonic();
    await becomes(expected);
    t.diagnostic(`${Math.round(systemClock.monotonic() - start)} ms`);
  }

  it("are back at once in iptables-nft, because the kernel says so", async (t) => {
    const one = await start(rare, withPath("nft"));
    await heals(t, "iptables-nft -t nat -F; iptables-nft -F", [wholeSet(one), "", ""]);
  });

  it("are back at once in nftables", async (t) => {
    await putConfig(true);
    await start(rare, withPath("nft"));
    await heals(t, "nft flush ruleset", ["", "", "table ip flannel-ipv4"]);
  });

  it("are not touched by another's table that is read anew, as firewalld's and nftables.service's are", async () => {
    await putConfig(true);
    const one = await start(rare, withPath("nft"));
    await becomes(["", "", "table ip flannel-ipv4"]);
    const { written } = await ruleCounts(one, signal);
    const others = "table inet firewalld { chain forward { type filter hook forward priority 10; }; }";
    for (let round = 0; round < 3; round += 1) {
      await shell(`nft 'table inet firewalld; delete table inet firewalld; ${others}'`);
    }
    // Announced after it, and of a chain that leads to ours: once that was looked at, so was whatever else concerned us.
    await nextCheck(one, () => shell("iptables-nft -A FORWARD -p 254; iptables-nft -D FORWARD -p 254"), signal);
    assert.equal((await ruleCounts(one, signal)).written, written);
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
