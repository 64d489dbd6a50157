// What somebody can do to single entries of the kernel: routes, neighbours, forwarding entries. Also by the thousand, and
// again and again.

import { ipBatch } from "../lab/topology.ts";
import { millis, seconds } from "../src/base/brand.ts";
import { childSignal } from "../src/base/signals.ts";
import type { Fault, Undo } from "./fault.ts";
import { onHost } from "./host-shell.ts";
import { type Lines, SPARES, TAKES_AWAY, tamper } from "./kernel-faults.ts";
import type { SoakHost, World } from "./world.ts";

const DELETE_PEER = "ip route del $PEER_BASE/24";
const DELETE_ROUTE: Lines = { vxlan: DELETE_PEER, "host-gw": DELETE_PEER, udp: "ip route del $NETWORK dev $DEV" };
const ELSEWHERE = "ip route replace $PEER_BASE/24 via 192.168.77.99 dev eth0";
const PUSH_OUT = "ip route replace blackhole $PEER_BASE/24";
const FLUSH = "ip route flush proto 70";

export const ENTRY_FAULTS: readonly Fault[] = [
  tamper(
    "routes-flushed",
    "all routes of flanneld are deleted",
    { vxlan: FLUSH, "host-gw": FLUSH, udp: FLUSH },
    TAKES_AWAY,
  ),
  tamper("route-deleted", "the route to one peer is deleted (udp: that to all)", DELETE_ROUTE, TAKES_AWAY),
  tamper(
    "route-elsewhere",
    "the route to one peer leads to a host that is not there",
    { vxlan: ELSEWHERE, "host-gw": ELSEWHERE },
    TAKES_AWAY,
  ),
  tamper(
    "route-pushed-out",
    "a route that leads nowhere is put over the one to a peer (udp: that to all); then it is deleted",
    { vxlan: PUSH_OUT, "host-gw": PUSH_OUT, udp: "ip route replace blackhole $NETWORK" },
    { ...TAKES_AWAY, lasts: [seconds(2), seconds(4)] },
    "ip route flush type blackhole",
  ),
  tamper(
    "route-gateway",
    "the route to one peer gets the gateway of another",
    { vxlan: "ip route replace $PEER_BASE/24 via $OTHER_BASE dev $DEV onlink proto 70" },
    TAKES_AWAY,
  ),
  tamper(
    "neighbours-flushed",
    "all neighbours are deleted",
    { vxlan: "ip neigh flush dev $DEV nud permanent" },
    TAKES_AWAY,
  ),
  tamper("neighbour-deleted", "one neighbour is deleted", { vxlan: "ip neigh del $PEER_BASE dev $DEV" }, TAKES_AWAY),
  tamper(
    "neighbour-changed",
    "one neighbour gets another MAC",
    { vxlan: "ip neigh replace $PEER_BASE lladdr 02:00:00:00:09:09 dev $DEV nud permanent" },
    TAKES_AWAY,
  ),
  tamper(
    "fdb-flushed",
    "all forwarding entries are deleted",
    { vxlan: 'for mac in $(bridge fdb show dev $DEV | cut -d" " -f1); do bridge fdb del $mac dev $DEV; done' },
    TAKES_AWAY,
  ),
  tamper(
    "fdb-deleted",
    "one forwarding entry is deleted",
    { vxlan: "bridge fdb del $PEER_MAC dev $DEV dst $PEER_IP" },
    TAKES_AWAY,
  ),
  tamper(
    "fdb-changed",
    "one forwarding entry leads to a host that is not there",
    { vxlan: "bridge fdb replace $PEER_MAC dev $DEV dst 192.168.77.99 self permanent" },
    TAKES_AWAY,
  ),
  tamper(
    "fdb-port",
    "one forwarding entry sends to another port",
    { vxlan: "bridge fdb replace $PEER_MAC dev $DEV dst $PEER_IP port 9999 self permanent" },
    TAKES_AWAY,
  ),
  tamper(
    "entries-added",
    "routes and the like of a peer that there is not are added where all is flanneld's",
    {
      vxlan: [
        "ip route add 10.5.250.0/24 via 10.5.250.0 dev $DEV onlink",
        "ip neigh add 10.5.250.0 lladdr 02:00:00:00:09:0a dev $DEV nud permanent",
        "bridge fdb append 02:00:00:00:09:0a dev $DEV dst 192.168.77.98 self permanent",
      ].join(" && "),
      "host-gw": "ip route add 10.5.250.0/24 via 192.168.77.98 dev eth0 proto 70",
      udp: "ip route add 10.5.250.0/24 dev $DEV",
    },
    SPARES,
  ),
  {
    name: "foreign-objects",
    kind: "kernel",
    summary: "others have a route, an address, a bridge and a vxlan device of their own, which must stay; then they go",
    lasts: [seconds(2), seconds(5)],
    mayLose: () => null,
    recovery: seconds(20),
    inject: addForeignObjects,
  },
  {
    name: "hints-lost",
    kind: "kernel",
    summary:
      "routes go while flanneld stands (SIGSTOP) and 12,000 others come, so many that the kernel cannot tell it all",
    lasts: [millis(0), millis(0)],
    mayLose: () => seconds(1),
    recovery: seconds(20),
    inject: loseHints,
  },
  {
    name: "fought-over",
    kind: "kernel",
    summary: "another program deletes a route again and again; then it ends",
    lasts: [seconds(2), seconds(5)],
    // Who is always undone tries ever less often: about as long again as the fight went on.
    mayLose: () => seconds(15),
    recovery: seconds(60),
    inject: fight,
  },
];

async function addForeignObjects(world: World, victim: SoakHost, signal: AbortSignal): Promise<Undo> {
  const make = [
    "ip route add 10.77.0.0/16 via $GATEWAY proto static",
    "ip addr add 192.168.78.1/24 dev eth0",
    "ip link add foreign0 type bridge",
    "ip link add foreign9 type vxlan id 9 dev eth0 dstport 4789",
  ];
  // Ends in failure when one is not there any more.
  const unmake = [
    "ip route del 10.77.0.0/16 via $GATEWAY proto static",
    "ip addr del 192.168.78.1/24 dev eth0",
    "ip link del foreign0",
    "ip link del foreign9",
  ];
  await onHost(world, victim, make.join(" && "), signal);
  return async (signal) => void (await onHost(world, victim, unmake.join(" && "), signal));
}

/** More than the receive queue of a daemon that stands can hold. */
const CROWD = Array.from({ length: 12_000 }, (_, n) => `100.64.${n >> 6}.${(n & 63) * 4}/30 dev lo`);

/** Kernel: a netlink socket whose receive queue is full gets ENOBUFS, and what was to be told is lost. */
async function loseHints(world: World, victim: SoakHost, signal: AbortSignal): Promise<Undo> {
  const { machine, daemon } = victim;
  const crowd = (verb: string, signal: AbortSignal) =>
    ipBatch(
      machine.namespace,
      CROWD.map((route) => `route ${verb} ${route}`),
      signal,
    );
  const before = await countLostHints(world, victim, signal);
  process.kill(daemon.pid, "SIGSTOP");
  try {
    await crowd("add", signal);
    await onHost(world, victim, DELETE_ROUTE[world.backend] ?? "", signal);
    if ((await countLostHints(world, victim, signal)) === before) throw new Error("the kernel could tell it all");
  } catch (error) {
    process.kill(daemon.pid, "SIGCONT");
    throw error;
  }
  return async (signal) => {
    process.kill(daemon.pid, "SIGCONT");
    await crowd("del", signal);
  };
}

/** By all netlink sockets of the host. */
async function countLostHints(world: World, victim: SoakHost, signal: AbortSignal): Promise<number> {
  const drops = "awk 'NR > 1 { drops += $9 } END { print drops }' /proc/net/netlink";
  return Number(await onHost(world, victim, drops, signal));
}

async function fight(world: World, victim: SoakHost, signal: AbortSignal): Promise<Undo> {
  const scope = childSignal(signal);
  const undo = `while :; do ${DELETE_ROUTE[world.backend]} 2>/dev/null || true; sleep 0.05; done`;
  const ended = onHost(world, victim, undo, scope.signal).catch(() => {});
  return async () => {
    scope.abort();
    await ended;
    scope[Symbol.dispose]();
  };
}
