// Docker itself on two hosts of the overlay: its containers have addresses of their host's subnet and reach each other,
// whichever of Docker and flanneld came last.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { PREFIX } from "../support/cluster.ts";
import { type NeighbourHost, type NeighbourHosts, openNeighbourHosts } from "../support/neighbours.ts";

const { signal } = new AbortController();
const LIMIT = seconds(60);
const CONFIG = { Network: "10.5.0.0/16", Backend: { Type: "vxlan" } };
const EXAMPLE = "/usr/share/doc/flanneld/examples/docker-flannel-execstart.conf";
const BUSYBOX = "/bin/busybox";

let open: NeighbourHosts;
let near: NeighbourHost;
let far: NeighbourHost;

const inContainer = (host: NeighbourHost, ...words: readonly string[]) =>
  host.attempt("docker", "exec", "pod", BUSYBOX, ...words);
const addressOf = async (host: NeighbourHost) =>
  (await host.attempt("docker", "inspect", "--format={{.NetworkSettings.IPAddress}}", "pod")).stdout.trim();
const answers = async (from: NeighbourHost, to: string) =>
  to !== "" && (await inContainer(from, "ping", "-c1", "-W1", to)).status === 0;

interface Ways {
  readonly in: boolean;
  readonly out: boolean;
  readonly world: boolean;
}
const ALL: Ways = { in: true, out: true, world: true };

/** Of the first host's container, with that of the other and with what is no host of the overlay. */
function becomes(wanted: Ways): Promise<boolean> {
  const look = async () => {
    const ways = {
      in: await answers(far, await addressOf(near)),
      out: await answers(near, await addressOf(far)),
      world: await answers(near, open.cluster.topology.etcd.address),
    };
    return JSON.stringify(ways) === JSON.stringify(wanted) ? true : null;
  };
  return waitFor(`pings to be answered as in ${JSON.stringify(wanted)}`, look, LIMIT, signal);
}

const systemctl = (host: NeighbourHost, ...words: readonly string[]) => host.on("systemctl", ...words);
const forwardCheck = async () => {
  const { stdout } = await near.attempt("flanneld", "check");
  return /^(\w+) +forward-rules +(.*)$/m.exec(stdout)?.slice(1, 3) ?? [stdout];
};
/** Those of the tables filter and nat, without ours. */
const dockersRules = async () =>
  (await near.on("iptables-save"))
    .split("\n")
    .filter((line) => /^(-A|:FORWARD)/.test(line) && !/flannel/i.test(line))
    .map((line) => line.replace(/ \[.*\]$/, ""));

/** As docs/install.md says. The storage is the one that works on any file system. */
async function startDocker(host: NeighbourHost): Promise<void> {
  host.put("/etc/docker/daemon.json", '{"storage-driver":"vfs"}');
  await host.on("install", "-D", "-m644", EXAMPLE, "/etc/systemd/system/docker.service.d/flannel.conf");
  // As on a host where nobody has switched it on: then Docker does, and sets the policy of FORWARD to DROP.
  await host.on("sysctl", "-qw", "net.ipv4.ip_forward=0");
  await systemctl(host, "daemon-reload");
  await systemctl(host, "start", "docker.service");
  const image = `mkdir -p /tmp/image/bin && cp ${BUSYBOX} /tmp/image/bin && tar -c -C /tmp/image . | docker import - busybox`;
  await host.on("sh", "-c", image);
  const options = ["--detach", "--restart=always", "--stop-signal=KILL", "--name=pod"];
  await host.on("docker", "run", ...options, "busybox", BUSYBOX, "sleep", "86400");
}

describe("Docker on the hosts of an overlay", () => {
  before(async () => {
    open = await openNeighbourHosts(2, CONFIG, "FLANNELD_IP_MASQ=true\n", signal);
    [near, far] = open.hosts as [NeighbourHost, NeighbourHost];
    await Promise.all([startDocker(near), startDocker(far)]);
  });
  after(async () => open?.[Symbol.asyncDispose]());

  it("gets its options from the package's drop-ins: the host's subnet, flannel's MTU, no masquerading", async () => {
    const [subnet = ""] = near.subnet().split(".1/");
    assert.equal(await addressOf(near), `${subnet}.2`);
    assert.match((await inContainer(near, "ip", "link", "show", "eth0")).stdout, / mtu 1450 /);
    const rules = (await dockersRules()).join("\n");
    assert.match(rules, /^-A FORWARD -j DOCKER-USER$/m);
    assert.match(rules, /^:FORWARD DROP$/m);
    assert.doesNotMatch(rules, /MASQUERADE/);
  });

  it("lets containers reach each other and the world when it has started after flanneld", async () => {
    await becomes(ALL);
    assert.deepEqual(await forwardCheck(), ["ok", "forwarded packets of the overlay are not dropped here"]);
  });

  it("does so after it was restarted, and after flanneld was, which leaves its rules alone", async () => {
    await systemctl(near, "restart", "docker.service");
    await becomes(ALL);
    const before = await dockersRules();
    await systemctl(near, "restart", "flanneld.service");
    await becomes(ALL);
    assert.deepEqual(await dockersRules(), before);
  });

  it("has another MTU of the network config after it was restarted, without a restart of flanneld", async () => {
    // Compat: of the packets outside; 50 bytes of them are vxlan's.
    const config = JSON.stringify({ ...CONFIG, Backend: { ...CONFIG.Backend, MTU: 1400 } });
    await open.cluster.etcdctl("put", `${PREFIX}/config`, config);
    const look = async () => ((await near.on("cat", "/run/flannel/subnet.env")).includes("MTU=1350\n") ? true : null);
    await waitFor("the MTU in subnet.env", look, LIMIT, signal);
    await systemctl(near, "restart", "docker.service");
    await becomes(ALL);
    assert.match((await inContainer(near, "ip", "link", "show", "eth0")).stdout, / mtu 1350 /);
  });

  it("does so when it has started before flanneld, with its rules before ours", async () => {
    await systemctl(near, "stop", "docker.service", "docker.socket", "flanneld.service");
    await near.on("sh", "-c", "for table in nat filter; do iptables -t $table -F; iptables -t $table -X; done");
    // It wants flanneld, and so would start it.
    await systemctl(near, "mask", "--runtime", "flanneld.service");
    await systemctl(near, "start", "docker.service");
    await becomes({ ...ALL, in: false, world: false });
    await systemctl(near, "unmask", "--runtime", "flanneld.service");
    await systemctl(near, "start", "flanneld.service");
    await becomes(ALL);
    assert.match(await near.on("iptables", "-S", "FORWARD"), /-j DOCKER-USER\n[\s\S]*-j FLANNEL-FWD\n$/);
  });

  it("drops what flanneld accepts by nftables, until the network is accepted in DOCKER-USER", async () => {
    const config = JSON.stringify({ ...CONFIG, EnableNFTables: true });
    await open.cluster.etcdctl("put", `${PREFIX}/config`, config);
    await systemctl(near, "restart", "flanneld.service");
    await becomes({ ...ALL, in: false });
    const [verdict, sentence = ""] = await forwardCheck();
    assert.deepEqual([verdict, /^the policy of FORWARD is DROP in iptables/.test(sentence)], ["fail", true], sentence);
    for (const end of ["-s", "-d"]) {
      await near.on("iptables", "-I", "DOCKER-USER", end, CONFIG.Network, "-j", "ACCEPT");
    }
    await becomes(ALL);
    assert.equal((await forwardCheck())[0], "ok");
  });
});
