// Networks of both families, and of IPv6 alone: the records, kernel objects and files of the Go daemon, and pods that reach
// each other in every family.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { addPod, type Pod, parseSubnetEnv, type SubnetEnv } from "../../lab/cni.ts";
import type { Flanneld } from "../../lab/flanneld.ts";
import { isAnswered, ping } from "../../lab/ping.ts";
import { waitFor } from "../../lab/wait.ts";
import type { Json } from "../../src/base/json.ts";
import { type Cluster, openCluster, PREFIX } from "../support/cluster.ts";
import { LIMIT } from "../support/overlay-host.ts";

const { signal } = new AbortController();

const IPV4 = { Network: "10.5.0.0/16", SubnetMax: "10.5.199.0" };
const IPV6 = { EnableIPv6: true, IPv6Network: "fd00:10:5::/48", IPv6SubnetMax: "fd00:10:5:c7::" };
const ONLY_IPV6 = { ...IPV6, EnableIPv4: false };

const UNDERLAY4 = String.raw`192\.168\.77\.11`;
const MAC = "[0-9a-f]{2}(:[0-9a-f]{2}){5}";

interface Profile {
  readonly name: string;
  readonly config: { readonly [key: string]: Json };
  readonly families: readonly ("ipv4" | "ipv6")[];
  /** Of the pods, on an underlay of 1500. */
  readonly mtu: number;
  /** The first host's record. */
  readonly record: RegExp;
  /** The state of a host: commands, each of which prints one family. */
  readonly state: readonly string[];
  /** What a Go daemon at fd77::c8 with the subnets 10.5.200.0/24 and fd00:10:5:c8::/64 writes, and its lines in the state. */
  readonly ofGo: { readonly key: string; readonly value: string; readonly lines: readonly RegExp[] };
  /** What somebody may do, to be undone within a moment. */
  readonly tamperings: readonly string[];
}

const VXLAN_STATE6 = [
  'ip -d -o link show flannel-v6.1 | sed "s/^[0-9]*: //"',
  'ip -6 -o addr show dev flannel-v6.1 scope global | sed "s/^[0-9]*: //; s/valid_lft.*//"',
  "ip -6 route show dev flannel-v6.1 proto 70",
  "ip -6 neigh show dev flannel-v6.1 nud permanent",
  "bridge fdb show dev flannel-v6.1",
];

const VXLAN_STATE4 = [
  'ip -d -o link show flannel.1 | sed "s/^[0-9]*: //"',
  "ip route show dev flannel.1 proto 70",
  "ip -4 neigh show dev flannel.1 nud permanent",
  "bridge fdb show dev flannel.1",
];

const VXLAN_TAMPERINGS = [
  "ip link del flannel-v6.1",
  "ip link set flannel-v6.1 down",
  "ip -6 route flush dev flannel-v6.1 proto 70",
  "ip -6 neigh flush dev flannel-v6.1 nud permanent",
  "ip -6 addr flush dev flannel-v6.1 scope global",
  "ip link set flannel-v6.1 mtu 1400",
  "echo 1 >/proc/sys/net/ipv6/conf/flannel-v6.1/disable_ipv6",
  "for mac in $(bridge fdb show dev flannel-v6.1 | cut -d' ' -f1); do bridge fdb del $mac dev flannel-v6.1; done",
];

const GO_MAC6 = "8a:11:22:33:44:55";
const GO_LINES6 = [
  /^fd00:10:5:c8::\/64 via fd00:10:5:c8:: metric 1024 onlink/m,
  new RegExp(`^fd00:10:5:c8:: lladdr ${GO_MAC6} PERMANENT`, "m"),
  new RegExp(`^${GO_MAC6} dst fd77::c8 self permanent`, "m"),
];

const DUAL_KEY = "10.5.200.0-24&fd00:10:5:c8::-64";
const V6_KEY = "0.0.0.0-0&fd00:10:5:c8::-64";

const HOST_GW_STATE6 = ["ip -6 route show dev eth0 proto 70"];
const HOST_GW_TAMPERINGS = [
  "ip -6 route flush dev eth0 proto 70",
  'ip -6 route replace "$(ip -6 route show proto 70 | head -1 | cut -d" " -f1)" via fd77::63 dev eth0',
];

const PROFILES: readonly Profile[] = [
  {
    name: "dual-stack vxlan",
    config: { ...IPV4, ...IPV6, Backend: { Type: "vxlan" } },
    families: ["ipv4", "ipv6"],
    mtu: 1430,
    record: new RegExp(
      `^{"PublicIP":"${UNDERLAY4}","PublicIPv6":"fd77::11","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"${MAC}"},"BackendV6Data":{"VNI":1,"VtepMAC":"${MAC}"},"NodeID":"`,
    ),
    state: [...VXLAN_STATE4, ...VXLAN_STATE6],
    ofGo: {
      key: DUAL_KEY,
      value: `{"PublicIP":"192.168.77.200","PublicIPv6":"fd77::c8","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"},"BackendV6Data":{"VNI":1,"VtepMAC":"${GO_MAC6}"}}`,
      lines: [
        /^10\.5\.200\.0\/24 via 10\.5\.200\.0 .*onlink/m,
        /^c6:d2:32:6f:8f:44 dst 192\.168\.77\.200/m,
        ...GO_LINES6,
      ],
    },
    tamperings: [
      ...VXLAN_TAMPERINGS,
      "ip link del flannel.1",
      "ip link set eth0 down; ip link set eth0 up; ip addr replace fd77::11/64 dev eth0 nodad",
    ],
  },
  {
    name: "IPv6-only vxlan",
    config: { ...ONLY_IPV6, Backend: { Type: "vxlan" } },
    families: ["ipv6"],
    mtu: 1430,
    record: new RegExp(
      `^{"PublicIP":"0.0.0.0","PublicIPv6":"fd77::11","BackendType":"vxlan","BackendV6Data":{"VNI":1,"VtepMAC":"${MAC}"},"NodeID":"`,
    ),
    state: VXLAN_STATE6,
    ofGo: {
      key: V6_KEY,
      value: `{"PublicIP":"0.0.0.0","PublicIPv6":"fd77::c8","BackendType":"vxlan","BackendV6Data":{"VNI":1,"VtepMAC":"${GO_MAC6}"}}`,
      lines: GO_LINES6,
    },
    tamperings: VXLAN_TAMPERINGS,
  },
  {
    name: "dual-stack host-gw",
    config: { ...IPV4, ...IPV6, Backend: { Type: "host-gw" } },
    families: ["ipv4", "ipv6"],
    mtu: 1500,
    record: new RegExp(`^{"PublicIP":"${UNDERLAY4}","PublicIPv6":"fd77::11","BackendType":"host-gw","NodeID":"`),
    state: ["ip route show dev eth0 proto 70", ...HOST_GW_STATE6],
    ofGo: {
      key: DUAL_KEY,
      value: '{"PublicIP":"192.168.77.200","PublicIPv6":"fd77::c8","BackendType":"host-gw"}',
      lines: [/^10\.5\.200\.0\/24 via 192\.168\.77\.200/m, /^fd00:10:5:c8::\/64 via fd77::c8 metric 1024/m],
    },
    tamperings: HOST_GW_TAMPERINGS,
  },
  {
    name: "IPv6-only host-gw",
    config: { ...ONLY_IPV6, Backend: { Type: "host-gw" } },
    families: ["ipv6"],
    mtu: 1500,
    record: /^{"PublicIP":"0.0.0.0","PublicIPv6":"fd77::11","BackendType":"host-gw","NodeID":"/,
    state: HOST_GW_STATE6,
    ofGo: {
      key: V6_KEY,
      value: '{"PublicIP":"0.0.0.0","PublicIPv6":"fd77::c8","BackendType":"host-gw"}',
      lines: [/^fd00:10:5:c8::\/64 via fd77::c8 metric 1024/m],
    },
    tamperings: HOST_GW_TAMPERINGS,
  },
];

function envOf({ subnetFile }: Flanneld): SubnetEnv {
  return parseSubnetEnv(readFileSync(subnetFile, "utf8"));
}

/** The key of a host's record, as its subnet file says. */
function keyOf(env: SubnetEnv): string {
  const v4 = env.subnet ? env.subnet.replace(/\.1\/24$/, ".0-24") : "0.0.0.0-0";
  const v6 = env.ipv6?.subnet.replace(/::1\/64$/, "::-64");
  return `${PREFIX}/subnets/${v4}&${v6}`;
}

function suite(profile: Profile): void {
  let cluster: Cluster;
  let daemons: readonly Flanneld[];
  let pods: readonly Pod[];

  before(async () => {
    cluster = await openCluster(3, profile.config, signal, { ipv6: true });
    daemons = await cluster.startAll();
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const shell = (line: string) => cluster.on(0, "sh", "-c", line);
  /** The kernel lists entries in an order of its own. */
  const state = async () => (await Promise.all(profile.state.map(shell))).join("").split("\n").toSorted().join("\n");
  const becomes = async (what: string, wanted: (now: string) => boolean) => {
    let last = "";
    const look = async () => {
      last = await state().catch(() => "");
      return wanted(last) ? true : null;
    };
    await waitFor(what, look, LIMIT, signal).catch((error) => assert.fail(`${error}\n${last}`));
  };
  const destinations = ({ address, address6 }: Pod) => [
    ...(profile.families.includes("ipv4") ? [address] : []),
    ...(address6 === null ? [] : [address6]),
  ];

  it("lets every pod reach every other in each family, in packets of the full overlay MTU", async () => {
    pods = await Promise.all(
      daemons.map(({ host, subnetFile }, index) => addPod(host, `p${index}`, subnetFile, signal)),
    );
    assert.equal(destinations(pods[0] ?? assert.fail()).length, profile.families.length);
    for (const from of pods) {
      for (const to of pods.filter((pod) => pod !== from)) {
        for (const address of destinations(to)) {
          const look = () => isAnswered(from.namespace, address, signal);
          await waitFor(`${from.name} to ${address}`, look, LIMIT, signal);
          assert.equal((await ping(from.namespace, address, { count: 3, waitSeconds: 5 }, signal)).received, 3);
        }
      }
    }
    const [from, to] = pods as [Pod, Pod];
    for (const address of destinations(to)) {
      // Beside the payload there are 8 octets of ICMP, and 20 or 40 of the IP header.
      const full = profile.mtu - (address.includes(":") ? 48 : 28);
      const words = ["ip", "netns", "exec", from.namespace, "ping", "-n", "-c1", "-W5", "-Mdo", address];
      assert.equal((await cluster.tryOn(0, ...words, `-s${full}`)).status, 0, address);
      assert.notEqual((await cluster.tryOn(0, ...words, `-s${full + 1}`)).status, 0, address);
    }
  });

  it("has a subnet file with the exact bytes of the Go daemon", () => {
    const lines = [
      ...(profile.families.includes("ipv4")
        ? [String.raw`FLANNEL_NETWORK=10\.5\.0\.0/16`, String.raw`FLANNEL_SUBNET=10\.5\.\d+\.1/24`]
        : []),
      "FLANNEL_IPV6_NETWORK=fd00:10:5::/48",
      "FLANNEL_IPV6_SUBNET=fd00:10:5:[0-9a-f]+::1/64",
      `FLANNEL_MTU=${profile.mtu}`,
      "FLANNEL_IPMASQ=false",
    ];
    assert.match(readFileSync(daemons[0]?.subnetFile ?? "", "utf8"), new RegExp(`^${lines.join("\n")}\n$`));
  });

  it("has a record with the key and the bytes of the Go daemon, and what is ours behind them", async () => {
    const key = keyOf(envOf(daemons[0] ?? assert.fail()));
    const value = await cluster.etcdctl("get", key, "--print-value-only");
    assert.match(value, profile.record);
  });

  it("programs a peer by the record of a Go daemon, and forgets it with the record", async () => {
    const before = await state();
    const key = `${PREFIX}/subnets/${profile.ofGo.key}`;
    await cluster.etcdctl("put", key, profile.ofGo.value);
    await becomes("the lines of the peer", (now) => profile.ofGo.lines.every((line) => line.test(now)));
    await cluster.etcdctl("del", key);
    await becomes("the former state", (now) => now === before);
  });

  it("puts back whatever somebody changes", async () => {
    const before = await state();
    for (const line of profile.tamperings) {
      await shell(line);
      await becomes(`the former state after ${line}`, (now) => now === before);
    }
  });

  it("keeps its subnets, its MACs and all else over kill -9 and over a reboot", async () => {
    const before = await state();
    const env = envOf(daemons[0] ?? assert.fail());
    for (const reboot of ["true", "ip link del flannel-v6.1; ip -6 route flush proto 70; true"]) {
      const daemon = daemons[0] ?? assert.fail();
      await daemon.kill(signal);
      await shell(reboot);
      daemons = [cluster.start(0), ...daemons.slice(1)];
      await daemons[0]?.ready(signal);
      await becomes("the former state", (now) => now === before);
      assert.deepEqual(envOf(daemons[0] ?? assert.fail()), env);
    }
  });
}

for (const profile of PROFILES) describe(`a ${profile.name} network`, () => suite(profile));
