// --ip-masq, --iptables-forward-rules and --ip-blackhole-route of a dual-stack network, as packets of IPv6 see them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod, parseSubnetEnv } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { isAnswered } from "../../lab/ping.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Cluster, openCluster } from "../support/cluster.ts";
import { FORWARD_JUMP, goForward, goMasquerade, MASQ_JUMP } from "../support/firewall.ts";
import { pathWith, sourceSeen } from "../support/firewall-host.ts";
import { LIMIT } from "../support/overlay-host.ts";

const { signal } = new AbortController();
const NET = "fd00:10:5::/48";
const CONFIG = { Network: "10.5.0.0/16", EnableIPv6: true, IPv6Network: NET, Backend: { Type: "vxlan" } };

function suite(nftables: boolean): void {
  let cluster: Cluster;
  let daemons: readonly Flanneld[];
  let pods: readonly Pod[];
  let tools: string;

  const shell = (line: string, host = 0) => cluster.on(host, "sh", "-c", `PATH=${tools}; ${line}`);
  const subnet = () => {
    const { ipv6 } = parseSubnetEnv(readFileSync(daemons[0]?.subnetFile ?? "", "utf8"));
    return ipv6?.subnet.replace("::1/64", "::/64") ?? assert.fail();
  };
  const rules = async (host = 0) =>
    nftables
      ? await shell("nft list table ip6 flannel-ipv6", host)
      : (await shell("ip6tables -t nat -S && ip6tables -S", host))
          .split("\n")
          .filter((line) => line.startsWith("-A") && /flannel/i.test(line))
          .join("\n");
  const [one, two] = [() => pods[0] as Pod, () => pods[1] as Pod];
  const address6 = ({ address6 }: { readonly address6: string | null }) => address6 ?? assert.fail("no IPv6 address");

  before(async () => {
    cluster = await openCluster(2, { ...CONFIG, EnableNFTables: nftables }, signal, { ipv6: true });
    tools = pathWith(cluster, "nft");
    const flags = ["--ip-masq", "--iptables-resync=1", "--ip-blackhole-route"];
    // What Docker leaves behind: nothing is forwarded unless somebody says so.
    if (!nftables) for (const host of [0, 1]) await shell("ip6tables -P FORWARD DROP", host);
    daemons = await cluster.startAll({ flags, environment: { PATH: tools } });
    pods = await Promise.all(
      daemons.map((daemon, index) => addPod(daemon.host, `pod${index}`, daemon.subnetFile, signal)),
    );
    const look = () => isAnswered(one().namespace, address6(two()), signal);
    await waitFor("the way to the other pod", look, LIMIT, signal);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  it("has the rules of the Go daemon in the place of the family", async () => {
    const [text, pod] = [await rules(), subnet()];
    if (nftables) {
      for (const part of [
        `ip6 saddr ${NET} accept`,
        `ip6 daddr ${pod} return`,
        `ip6 saddr ${NET} ip6 daddr != ff00::/8 masquerade fully-random`,
      ]) {
        assert.ok(text.includes(part), text);
      }
      return;
    }
    const masquerade = goMasquerade(NET, pod).map((rule) => rule.replace("224.0.0.0/4", "ff00::/8"));
    assert.deepEqual(text.split("\n"), [MASQ_JUMP, ...masquerade, FORWARD_JUMP, ...goForward(NET)]);
  });

  it("lets pods speak with each other under their own addresses", async () => {
    const journey = { from: one().namespace, to: two().namespace, address: address6(two()) };
    assert.equal(await sourceSeen(journey, signal), address6(one()));
  });

  it("lets a pod speak with outside under its host's address", async () => {
    const outside = cluster.topology.etcd;
    const journey = { from: one().namespace, to: outside.namespace, address: address6(outside) };
    assert.equal(await sourceSeen(journey, signal), address6(one().host));
  });

  it("lets a host speak with a pod of another host, under an address that has a way back through the overlay", async () => {
    const source = address6(one().host);
    const journey = { from: one().host.namespace, source, to: two().namespace, address: address6(two()) };
    assert.equal(await sourceSeen(journey, signal), subnet().replace("/64", ""));
  });

  it("has its rules back when somebody flushes them", async () => {
    const before = await rules();
    await shell(nftables ? "nft delete table ip6 flannel-ipv6" : "ip6tables -t nat -F && ip6tables -F");
    const look = async () => ((await rules().catch(() => "")) === before ? true : null);
    await waitFor("the rules", look, LIMIT, signal);
  });

  it("has a blackhole route for its own subnet of each family, and has it back", async () => {
    const blackhole = new RegExp(`^blackhole ${subnet()} .*proto 70 metric 65535`, "m");
    const look = async () => (blackhole.test(await shell("ip -6 route show type blackhole")) ? true : null);
    await waitFor("the blackhole", look, LIMIT, signal);
    assert.match(await shell("ip route show type blackhole"), /^blackhole 10\.5\.\d+\.0\/24 proto 70 metric 65535/m);
    await shell(`ip -6 route del blackhole ${subnet()} metric 65535`);
    await waitFor("the blackhole again", look, LIMIT, signal);
  });
}

describe("IPv6 rules by ip6tables", () => suite(false));
describe("IPv6 rules by nftables", () => suite(true));
