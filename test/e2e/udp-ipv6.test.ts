// udp in networks with IPv6: both families over IPv4 where the network has that, and IPv6 over IPv6 where it has not.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { isAnswered } from "../../lab/ping.ts";
import { startPlainTunnel } from "../../lab/plain-tunnel.ts";
import { waitFor } from "../../lab/wait.ts";
import type { Json } from "../../src/base/json.ts";
import { UDP } from "../support/backend-profiles.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { LIMIT } from "../support/overlay-host.ts";
import { INTACT, transfer } from "../support/transfer.ts";

const { signal } = new AbortController();
const BYTES = 24 * 1024 * 1024;
const IPV6 = { EnableIPv6: true, IPv6Network: "fd00:10:5::/48" };

interface Profile {
  readonly name: string;
  readonly config: { readonly [key: string]: Json };
  /** Of the pods, on an underlay of 1500. */
  readonly mtu: number;
  /** Addresses of a pod that others are to reach. */
  readonly addresses: (pod: Pod) => readonly (string | null)[];
  readonly socket: RegExp;
  /** What `ip` says of the device's addresses and routes, line by line. */
  readonly state: readonly RegExp[];
  readonly record: RegExp;
}

const STATE6 = [/^inet6 fd00:10:5:[0-9a-f]+::\/128 scope global/, /^fd00:10:5::\/48 metric 1024/];

const PROFILES: readonly Profile[] = [
  {
    name: "dual-stack",
    config: { ...UDP.config, ...IPV6 },
    mtu: 1472,
    addresses: ({ address, address6 }) => [address, address6],
    socket: /192\.168\.77\.11:8285 /,
    state: [/^inet 10\.5\.\d+\.0\/32 scope global/, ...STATE6, /^10\.5\.0\.0\/16/],
    record: /^{"PublicIP":"192\.168\.77\.11","PublicIPv6":"fd77::11","NodeID":"/,
  },
  {
    name: "IPv6-only",
    config: { ...IPV6, EnableIPv4: false, Backend: { Type: "udp" } },
    mtu: 1452,
    addresses: ({ address6 }) => [address6],
    socket: /\[fd77::11\]:8285 /,
    state: STATE6,
    record: /^{"PublicIP":"0\.0\.0\.0","PublicIPv6":"fd77::11","NodeID":"/,
  },
];

const STATE = [
  "ip -o addr show dev flannel0 scope global | sed 's/^[0-9]*: [^ ]* *//; s/valid_lft.*//'",
  "ip -6 route show dev flannel0 proto 70",
  "ip -4 route show dev flannel0 proto 70",
].join("; ");

/** After each, everything is as before within a moment. */
const TAMPERINGS = [
  "ip link del flannel0",
  "ip link set flannel0 down",
  "ip -6 route flush dev flannel0 proto 70",
  "ip -6 addr flush dev flannel0 scope global",
  "echo 1 >/proc/sys/net/ipv6/conf/flannel0/disable_ipv6",
];

function suite(profile: Profile): void {
  let cluster: Cluster;
  let daemons: readonly Flanneld[];
  let pods: readonly [Pod, Pod];

  before(async () => {
    cluster = await openCluster(2, profile.config, signal, { ipv6: true });
    daemons = await cluster.startAll();
    const made = daemons.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal));
    pods = (await Promise.all(made)) as [Pod, Pod];
    await reach();
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const first = () => daemons[0] ?? assert.fail();
  const shell = (line: string) => cluster.on(0, "sh", "-c", line);
  const addressesOf = (pod: Pod) => profile.addresses(pod).map((address) => address ?? assert.fail("no address"));

  async function reach(): Promise<void> {
    for (const [from, to] of [pods, pods.toReversed()] as readonly (readonly [Pod, Pod])[]) {
      for (const address of addressesOf(to)) {
        const look = () => isAnswered(from.namespace, address, signal);
        await waitFor(`${from.name} to ${address}`, look, LIMIT, signal);
      }
    }
  }

  async function becomes(what: string, lines: readonly RegExp[]): Promise<void> {
    const look = async () => {
      const now = (await shell(STATE)).trim().split("\n");
      return now.length === lines.length && lines.every((line) => now.some((one) => line.test(one))) ? true : null;
    };
    await waitFor(what, look, LIMIT, signal).catch(async (error) => assert.fail(`${error}\n${await shell(STATE)}`));
  }

  it("shows operators one device with an address and a route of each family, and the socket", async () => {
    await becomes("the state", profile.state);
    assert.match(await shell("ss -lun"), profile.socket);
    assert.match(await shell("ip link show flannel0"), new RegExp(` mtu ${profile.mtu} `));
    assert.match(readFileSync(first().subnetFile, "utf8"), new RegExp(`^FLANNEL_MTU=${profile.mtu}$`, "m"));
  });

  it("has a record with the addresses of both families and without a type, as the Go daemon writes it", async () => {
    const records = await cluster.etcdctl("get", "--prefix", `${PREFIX}/subnets/`, "--print-value-only");
    assert.ok(
      records.split("\n").some((record) => profile.record.test(record)),
      records,
    );
  });

  it("carries packets of the full MTU of each family, and a large transfer as it was sent", async () => {
    const [from, to] = pods;
    for (const address of addressesOf(to)) {
      // Beside the payload there are 8 octets of ICMP, and 20 or 40 of the IP header.
      const full = profile.mtu - (address.includes(":") ? 48 : 28);
      const words = ["ip", "netns", "exec", from.namespace, "ping", "-n", "-c1", "-W5", "-Mdo", address];
      assert.equal((await cluster.tryOn(0, ...words, `-s${full}`)).status, 0, address);
      assert.notEqual((await cluster.tryOn(0, ...words, `-s${full + 1}`)).status, 0, address);
      assert.deepEqual(await transfer(from, { namespace: to.namespace, address }, BYTES, signal), INTACT);
    }
  });

  it("counts the kernel's chatter apart, and drops nothing else", async () => {
    process.kill(first().pid, "SIGUSR1");
    const line = await first().waitForLog(/INFO .* dropped .*linkLocal=\d+/, LIMIT, signal);
    assert.match(line, / otherVersion=0 linkLocal=[1-9]\d* malformed=0 oversized=0 noPeer=0 wrongSource=0 /);
  });

  it("puts back whatever somebody changes, and carries packets again", async () => {
    for (const line of TAMPERINGS) {
      await shell(line);
      await becomes(`the former state after ${line}`, profile.state);
      await reach();
    }
  });

  it("finds everything in place after kill -9", async () => {
    const index = await shell("cat /sys/class/net/flannel0/ifindex");
    await first().kill(signal);
    daemons = [cluster.start(0), ...daemons.slice(1)];
    await first().ready(signal);
    assert.equal(await shell("cat /sys/class/net/flannel0/ifindex"), index);
    await becomes("the state", profile.state);
    await reach();
  });
}

for (const profile of PROFILES) describe(`udp in a network that is ${profile.name}`, () => suite(profile));

describe("udp with IPv6", () => {
  it("is refused where the overlay would be too narrow for it, before anything is changed", async () => {
    const { config } = PROFILES[0] ?? assert.fail();
    await using cluster = await openCluster(1, config, signal, { ipv6: true });
    await cluster.on(0, "ip", "link", "set", "eth0", "mtu", "1300");
    const daemon = cluster.start(0);
    assert.match(await daemon.waitForLog(/1308/, LIMIT, signal), /IPv6 needs an MTU of at least 1280 in the overlay/);
    assert.doesNotMatch(await cluster.on(0, "ip", "link"), /flannel/);
  });

  it("goes on exchanging IPv4 with a peer as simple as the Go daemon, whose IPv6 is no route", async () => {
    const { config } = PROFILES[0] ?? assert.fail();
    await using cluster = await openCluster(2, config, signal, { ipv6: true });
    const daemon = cluster.start(0);
    await daemon.ready(signal);
    const ours = await addPod(cluster.hosts[0] ?? assert.fail(), "p0", daemon.subnetFile, signal);
    const machine = cluster.hosts[1] ?? assert.fail();
    const own = `${ours.address.replace(/\.\d+$/, ".0")}/24=${cluster.hosts[0]?.address}`;
    await using _tunnel = await startPlainTunnel(
      machine.namespace,
      { device: "flannel0", mtu: 1472, address: machine.address, port: 8285, peers: [own] },
      signal,
    );
    await cluster.on(1, "sh", "-c", "ip addr add 10.5.210.0/32 dev flannel0; ip link set flannel0 mtu 1472 up");
    await cluster.on(1, "ip", "route", "add", "10.5.0.0/16", "dev", "flannel0");
    // Compat: such a daemon leases an IPv6 subnet and names no address for it.
    const record = `{"PublicIP":"${machine.address}","PublicIPv6":null}`;
    await cluster.etcdctl("put", `${PREFIX}/subnets/10.5.210.0-24&fd00:10:5:d2::-64`, record);
    const look = () => isAnswered(ours.namespace, "10.5.210.0", signal);
    await waitFor("an answer over IPv4", look, LIMIT, signal);
    const words = ["ip", "netns", "exec", ours.namespace, "ping", "-n", "-c1", "-W5", "fd00:10:5:d2::2"];
    assert.match((await cluster.tryOn(0, ...words)).stdout, /Destination unreachable: No route/);
  });
});
