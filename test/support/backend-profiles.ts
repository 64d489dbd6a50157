// What the end-to-end suites must know of a backend to test it like every other: its config, what it makes on a host as
// `ip` and `bridge` print it, and what can be done to that. A backend gets all suites by one entry in PROFILES.

import type { Json } from "../../src/base/json.ts";

/** A host as its peers see it. */
export interface Peer {
  /** "10.5.7.0" for the one that leases 10.5.7.0/24. */
  readonly base: string;
  readonly ip: string;
  /** Of its tunnel device, where the backend has one with a MAC. */
  readonly mac: string;
}

export interface BackendProfile {
  readonly type: string;
  readonly config: { readonly [key: string]: Json };
  /** Of the overlay, on an underlay of 1500. */
  readonly mtu: number;
  /** The tunnel's device. */
  readonly device: string | null;
  /** A host's record in etcd, byte for byte. */
  readonly record: (host: Peer) => string;
  /** Commands that print all that the backend has made on a host, and nothing that changes by itself. */
  readonly state: readonly string[];
  /** Lines of the state that are there for the host itself. */
  readonly ownLines: (self: Peer) => readonly RegExp[];
  /** Lines of the state that are there for each peer; none where a peer leaves no trace in the kernel (udp). */
  readonly peerLines: (peer: Peer) => readonly RegExp[];
  /** What somebody may do to it, to be undone within a moment: a name and a line for a shell. */
  readonly tamperings: readonly (readonly [string, string])[];
  /** A shell line after which a host has nothing of the backend, as after a reboot. */
  readonly reboot: string;
  /** Shell lines that make what a peer leaves behind when it goes away while the daemon is down. */
  readonly leaveBehind: (peer: Peer) => readonly string[];
  /** What follows `ip route replace` to make the route that a Go daemon has for a peer; null where peers have none. */
  readonly goRoute: ((peer: Peer) => string) | null;
  /** Shell lines after which the device cannot be made anew, and those that give it back; null without a device. */
  readonly deviceLoss: { readonly take: readonly string[]; readonly giveBack: readonly string[] } | null;
}

/** Hosts lease nothing above 10.5.199.0: there the suites have peers of which there is only the record. */
function configOf(type: string): BackendProfile["config"] {
  return { Network: "10.5.0.0/16", SubnetMax: "10.5.199.0", Backend: { Type: type } };
}

/** The device's index changes when it is made anew. */
const DEVICE_STATE = (device: string) => [
  `ip -d -o link show ${device} | sed "s/^[0-9]*: //"`,
  `ip -4 -o addr show dev ${device} | sed "s/^[0-9]*: //"`,
  `ip route show dev ${device}`,
];

export const VXLAN: BackendProfile = {
  type: "vxlan",
  config: configOf("vxlan"),
  mtu: 1450,
  device: "flannel.1",
  record: ({ ip, mac }) =>
    `{"PublicIP":"${ip}","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"${mac}"}}`,
  state: [...DEVICE_STATE("flannel.1"), "ip neigh show dev flannel.1 nud permanent", "bridge fdb show dev flannel.1"],
  ownLines: ({ base, ip }) => [
    /^flannel\.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 /m,
    new RegExp(`vxlan id 1 local ${ip} dev eth0 srcport 0 0 dstport 8472 nolearning`),
    new RegExp(`inet ${base}/32 scope global`),
  ],
  peerLines: ({ base, ip, mac }) => [
    new RegExp(`^${base}/24 via ${base} proto 70 scope \\d+ onlink\\s*$`, "m"),
    new RegExp(`^${base} lladdr ${mac} PERMANENT\\s*$`, "m"),
    new RegExp(`^${mac} dst ${ip} self permanent\\s*$`, "m"),
  ],
  tamperings: [
    ["deletes flannel.1", "ip link del flannel.1"],
    ["sets flannel.1 down", "ip link set flannel.1 down"],
    ["flushes the routes", "ip route flush dev flannel.1"],
    ["flushes the neighbours", "ip neigh flush dev flannel.1 nud permanent"],
    ["changes the MTU", "ip link set flannel.1 mtu 1400"],
    ["gives the device another name", "ip link set flannel.1 down && ip link set flannel.1 name gone0"],
    ["puts the device into a bridge", "ip link add foreign0 type bridge && ip link set flannel.1 master foreign0"],
    ["puts a blackhole over the routes", 'ip route replace blackhole "$(ip route show proto 70 | cut -d" " -f1)"'],
  ],
  reboot: "ip link del flannel.1",
  leaveBehind: ({ base, ip, mac }) => [
    `ip neigh replace ${base} lladdr ${mac} dev flannel.1 nud permanent`,
    `bridge fdb append ${mac} dev flannel.1 dst ${ip} self permanent`,
    `ip route add ${base}/24 via ${base} dev flannel.1 onlink`,
  ],
  goRoute: ({ base }) => `${base}/24 via ${base} dev flannel.1 onlink`,
  deviceLoss: {
    // Its lower device has another name; the daemon may have deleted it for that already.
    take: ["ip link set eth0 down", "ip link set eth0 name gone0", "ip link del flannel.1 2>/dev/null || true"],
    giveBack: [
      "ip link set gone0 name eth0",
      "ip link set eth0 up",
      "ip addr replace 192.168.77.11/24 dev eth0",
      "ip route replace default via 192.168.77.1",
    ],
  },
};

export const HOST_GW: BackendProfile = {
  type: "host-gw",
  config: configOf("host-gw"),
  mtu: 1500,
  device: null,
  record: ({ ip }) => `{"PublicIP":"${ip}","PublicIPv6":null,"BackendType":"host-gw"}`,
  state: ["ip route show root 10.5.0.0/16 dev eth0"],
  ownLines: () => [],
  peerLines: ({ base, ip }) => [new RegExp(`^${base}/24 via ${ip} proto 70\\s*$`, "m")],
  tamperings: [
    ["deletes the routes", "ip route flush proto 70"],
    [
      "points a route elsewhere",
      'ip route replace "$(ip route show proto 70 | cut -d" " -f1)" via 192.168.77.99 dev eth0',
    ],
    ["puts a blackhole over the routes", 'ip route replace blackhole "$(ip route show proto 70 | cut -d" " -f1)"'],
    [
      "points a route through another interface",
      'ip route replace "$(ip route show proto 70 | cut -d" " -f1)" dev lo proto static',
    ],
    ["sets eth0 down and up", "ip link set eth0 down && ip link set eth0 up && ip route add default via 192.168.77.1"],
  ],
  reboot: "ip route flush proto 70",
  leaveBehind: ({ base, ip }) => [`ip route add ${base}/24 via ${ip} dev eth0 proto 70`],
  goRoute: ({ base, ip }) => `${base}/24 via ${ip} dev eth0`,
  deviceLoss: null,
};

/** What tells whether somebody carries packets at the moment: it changes with every stop and start. */
const WITHOUT_CARRIER = `sed -E "s/NO-CARRIER,|,LOWER_UP| state [A-Z]+| linkdown//g"`;

export const UDP: BackendProfile = {
  type: "udp",
  config: configOf("udp"),
  mtu: 1472,
  device: "flannel0",
  record: ({ ip }) => `{"PublicIP":"${ip}","PublicIPv6":null}`,
  state: DEVICE_STATE("flannel0").map((command) => `${command} | ${WITHOUT_CARRIER}`),
  ownLines: ({ base }) => [
    /^flannel0: <POINTOPOINT,MULTICAST,NOARP,UP> mtu 1472 /m,
    /alias flanneld \/coreos\.com\/network/,
    /tun type tun pi off vnet_hdr on persist on/,
    new RegExp(`inet ${base}/32 scope global flannel0`),
    /^10\.5\.0\.0\/16 proto 70\s*$/m,
  ],
  peerLines: () => [],
  tamperings: [
    ["deletes flannel0", "ip link del flannel0"],
    ["sets flannel0 down", "ip link set flannel0 down"],
    ["flushes the routes", "ip route flush dev flannel0"],
    ["puts a blackhole over the route", "ip route replace blackhole 10.5.0.0/16"],
    ["gives the route an MTU", "ip route replace 10.5.0.0/16 dev flannel0 proto 70 mtu 600"],
    ["deletes the address", "ip addr flush dev flannel0"],
    ["adds an address", "ip addr add 10.9.9.9/24 dev flannel0"],
    ["changes the MTU", "ip link set flannel0 mtu 1400"],
    ["takes the alias away", "ip link set flannel0 alias other"],
    [
      "gives it another name",
      "ip link set flannel0 down && ip link set flannel0 name gone0 && ip link set gone0 alias x",
    ],
  ],
  reboot: "ip link del flannel0",
  leaveBehind: ({ base }) => [`ip route add ${base}/24 dev flannel0`],
  goRoute: null,
  deviceLoss: {
    // Its name is taken, by an interface that has it as a second one.
    // The daemon may have made it anew in between.
    take: ["until ip link property add dev lo altname flannel0 2>/dev/null; do ip link del flannel0 2>/dev/null; done"],
    giveBack: ["ip link property del dev lo altname flannel0"],
  },
};

/** Every suite runs for each of these. */
export const PROFILES: readonly BackendProfile[] = [VXLAN, HOST_GW, UDP];
