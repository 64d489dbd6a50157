// A host on which all is well, for tests that break one thing of it.

import { createBackend } from "../../src/backends/registry.ts";
import { type EpochMillis, millis } from "../../src/base/brand.ts";
import type { Ipv4, Prefix4 } from "../../src/base/ip.ts";
import { type Facts, known, type PeerFacts, type StoreFacts } from "../../src/check/facts.ts";
import type { PeerWay } from "../../src/icmp/peer-report.ts";
import type { InterfaceFacts } from "../../src/net/kernel-net.ts";
import type { Link, LinkName } from "../../src/net/objects.ts";
import type { Lease, LeaseTerm, NodeId, Revision } from "../../src/subnet/lease.ts";
import { encodeLeaseAttrs } from "../../src/subnet/lease-codec.ts";
import { type Ipv4Network, parseNetworkConfig } from "../../src/subnet/network-config.ts";
import { leaseOf } from "./leases.ts";

export const NOW = Date.UTC(2024, 0, 1) as EpochMillis;
export const OWN_ID = "a".repeat(32) as NodeId;
const ETH0 = "eth0" as LinkName;

export function recordOf(subnet: string, publicIp: string, nodeId?: string): Lease {
  // Of each host one of its own.
  const mac = `02:00:00:00:05:${Number(subnet.split(".")[2]).toString(16).padStart(2, "0")}`;
  return leaseOf({ subnet, publicIp, mac, ...(nodeId && { nodeId }) });
}

/** As they stand in the store. */
export function recordsOf(leases: readonly Lease[]): Readonly<Record<string, string>> {
  return Object.fromEntries(leases.map(({ key, attrs }) => [key, Buffer.from(encodeLeaseAttrs(attrs)).toString()]));
}

export function wayOf(over: "underlay" | "overlay", to: string, change: Partial<PeerWay> = {}): PeerWay {
  const most = over === "underlay" ? 1500 : 1450;
  const path = { mtu: most, isSilent: false };
  const answered = { sent: 2, received: 2, rtt: millis(1), reason: null, isUnsent: false };
  return { over, to: to as Ipv4, most, ...answered, path, ...change };
}

export const DEAD = { received: 0, rtt: null, path: null } as const;

export function peerOf(lease: Lease, change: Partial<PeerFacts> = {}): PeerFacts {
  const ways = [wayOf("underlay", lease.attrs.publicIp), wayOf("overlay", lease.subnet.v4.replace("/24", ""))];
  return { lease, way: { dev: ETH0, source: null }, ways, term: null, ...change };
}

export function untilIn(hours: number): LeaseTerm {
  return { kind: "until", at: (NOW + hours * 3_600_000) as EpochMillis };
}

export const OWN = recordOf("10.5.1.0/24", "192.168.77.11", OWN_ID);
export const PEER = recordOf("10.5.2.0/24", "192.168.77.12", "b".repeat(32));

export function interfaceOf(name: string, prefix: string, change: Partial<InterfaceFacts> = {}): InterfaceFacts {
  const [ip = ""] = prefix.split("/");
  const network = prefix.replace(/\d+\//, "0/") as Prefix4;
  const address = { ip: ip as Ipv4, prefix: network, permanent: true, secondary: false, deprecated: false };
  const fixed = { index: 2, mtu: 1500, up: true, loopback: false, addresses: [address], addresses6: [], networks6: [] };
  return { name: name as LinkName, ...fixed, ...change };
}

const FLANNEL: Link = {
  kind: "link",
  type: "vxlan",
  name: "flannel.1" as LinkName,
  mtu: 1450,
  up: true,
  mac: null,
  vni: 1,
  port: 8472,
  local: "192.168.77.11" as Ipv4,
  lower: ETH0,
  learning: false,
  gbp: false,
  external: false,
  checksumOffload: true,
};

const UNDERLAY: Link = { kind: "link", type: "other", name: ETH0, mtu: 1500, up: true, mac: null, driver: "veth" };

/** No flanneld runs there, and none has. */
export const NEVER_RUN = {
  daemons: known([]),
  links: known([UNDERLAY]),
  subnetFile: { path: "/run/flannel/subnet.env", subnet: null, subnet6: null, mtu: null, isOfThisBoot: false },
} satisfies Partial<Facts>;

export function storeOf(leases: readonly Lease[], config: string | null = CONFIG): StoreFacts {
  return {
    endpoints: ["http://127.0.0.1:2379"],
    configKey: "/coreos.com/network/config",
    config,
    list: { revision: "1" as Revision, leases, bad: [] },
    refusal: null,
  };
}

const CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';

export function networkOf(config: string): Ipv4Network {
  const { ipv4 } = parseNetworkConfig(config);
  if (!ipv4) throw new Error("the test's config has no IPv4");
  return ipv4;
}

export function wellFacts(change: Partial<Facts> = {}): Facts {
  return {
    now: NOW,
    prefix: "/coreos.com/network",
    user: { isRoot: true, netAdmin: true, netRaw: true },
    daemons: known([{ pid: 4711, prefix: "/coreos.com/network", settings: {}, root: "" }]),
    carried: [],
    lastEnd: null,
    wasKilled: false,
    adopted: [],
    etcd: {
      endpoints: ["http://127.0.0.1:2379"],
      username: null,
      tls: { caFile: null, certFile: null, keyFile: null },
    },
    asking: [],
    store: known(storeOf([OWN, PEER])),
    certificates: known([]),
    clocks: [{ endpoint: "http://127.0.0.1:2379", ahead: millis(300) }],
    families: ["ipv4"],
    network: known(networkOf(CONFIG)),
    network6: null,
    backends: [{ backend: createBackend({ type: "vxlan", options: {} }), port: 8472 }],
    isBackendKnown: true,
    vxlan: known(true),
    tun: known(null),
    sysctls: { "net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "0" },
    reversePathDrops: 0,
    underlay: known({
      link: ETH0,
      mtu: 1500,
      address: "192.168.77.11" as Ipv4,
      publicIp: "192.168.77.11" as Ipv4,
      onLink: ["192.168.77.0/24" as Prefix4],
      v6: null,
    }),
    interfaces: known([interfaceOf("eth0", "192.168.77.11/24")]),
    links: known<readonly Link[]>([FLANNEL, UNDERLAY]),
    routes: [
      { dst: "0.0.0.0/0" as Prefix4, dev: ETH0 },
      { dst: "10.5.2.0/24" as Prefix4, dev: FLANNEL.name },
    ],
    routes6: [],
    forwarded: [],
    ports: [{ port: 8472, holder: "the kernel itself, for a device such as one of vxlan" }],
    rules: known({ iptables: {}, nftables: null }),
    subnetFile: {
      path: "/run/flannel/subnet.env",
      subnet: "10.5.1.0/24" as Prefix4,
      subnet6: null,
      mtu: 1450,
      isOfThisBoot: true,
    },
    nodeId: OWN_ID,
    neighbours: known({ entries: 12, limit: 1024 }),
    offload: known({}),
    peers: [peerOf(PEER)],
    leftOut: [],
    unpinged: null,
    ...change,
  };
}
