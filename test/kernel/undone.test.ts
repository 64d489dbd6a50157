// What somebody can make of our objects without deleting any: one pass makes them ours again, and the next finds nothing.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { IfAddr, Ip } from "../../src/base/ip.ts";
import type { KernelNet, NetHint } from "../../src/net/kernel-net.ts";
import { FLANNEL_PROTOCOL, KERNEL_PROTOCOL, type LinkName, type NetObject, type Route } from "../../src/net/objects.ts";
import { type Knowledge, NOTHING_KNOWN, runPass } from "../../src/net/pass.ts";
import type { Plan } from "../../src/net/plan.ts";
import { openKernelNet } from "../../src/netlink/kernel-net.ts";
import { ALL_KINDS, DEV, device, fdb, neighbour, OWN, peerMac, tunnelRoute } from "../contract/kernel-net-fixture.ts";
import { hearHints } from "../support/heard-hints.ts";
import { ip, whyNotHere } from "../support/namespace.ts";
import { openNative } from "../support/native.ts";

const { signal } = new AbortController();
const UNDERLAY = "und0" as LinkName;
const DEV6 = "flannel-v6.1" as LinkName;
const ADDRESS6: NetObject = { kind: "address", dev: DEV6, address: "fd00:5:0:1::/128" as IfAddr };
const ROUTE6: Route = {
  ...tunnelRoute(2),
  dev: DEV6,
  dst: "fd00:5:0:2::/64",
  via: "fd00:5:0:2::",
  metric: 1024,
} as Route;
const OTHER6: Ip = "fd77::1" as Ip;

/** A host with one peer. */
const PLAN: Plan = {
  scope: { families: ["ipv4", "ipv6"], devices: [DEV, DEV6], routeDevices: [UNDERLAY], kinds: ALL_KINDS },
  want: [
    ...[device(UNDERLAY), OWN, neighbour(2), fdb(2), tunnelRoute(2)],
    ...[{ ...device(UNDERLAY), name: DEV6, mtu: 1430, local: OTHER6 }, ADDRESS6],
    ...[
      { ...neighbour(2), dev: DEV6, ip: ROUTE6.via } as NetObject,
      { ...fdb(2), dev: DEV6, dst: "fd77::2" as Ip },
      ROUTE6,
    ],
  ],
  claims(object) {
    if (object.kind === "address") return !object.address.startsWith("fe80:");
    if (object.kind !== "route") return true;
    return object.dev === UNDERLAY ? object.protocol === FLANNEL_PROTOCOL : object.protocol !== KERNEL_PROTOCOL;
  },
  complete: true,
};

const FDB = `${peerMac(2)} dev ${DEV} dst 192.168.77.2`;
const TO_PEER = `10.5.2.0/24`;
const TO_PEER6 = `${ROUTE6.dst}`;

/** A name, and lines for a shell. */
const CHANGES: readonly (readonly [string, string])[] = [
  ["a forwarding entry sends to another port", `bridge fdb replace ${FDB} port 9999 self permanent`],
  ["a forwarding entry sends with another VNI", `bridge fdb replace ${FDB} vni 9 self permanent`],
  ["a forwarding entry sends through another interface", `bridge fdb replace ${FDB} via und1 self permanent`],
  [
    "a forwarding entry sends to a next hop that is an object",
    `ip nexthop add id 8 via 192.168.77.9 fdb; ip nexthop add id 9 group 8 fdb; bridge fdb del ${peerMac(2)} dev ${DEV}; bridge fdb add ${peerMac(2)} dev ${DEV} nhid 9`,
  ],
  ["the device has a default destination", `ip link set ${DEV} type vxlan id 1 remote 192.168.77.9`],
  ["the device is put into a bridge", `ip link add br9 type bridge; ip link set ${DEV} master br9`],
  ["the device is held down", `ip link set ${DEV} protodown on`],
  ["the device has another name", `ip link set ${DEV} down; ip link set ${DEV} name gone0`],
  ["a route has another MTU", `ip route replace ${TO_PEER} via 10.5.2.0 dev ${DEV} onlink proto 70 mtu 600`],
  ["a route has a source", `ip route replace ${TO_PEER} via 10.5.2.0 dev ${DEV} onlink proto 70 src 192.168.77.1`],
  ["a blackhole was put over a route", `ip route replace blackhole ${TO_PEER}`],
  ["an unreachable one of our protocol was put over a route", `ip route replace unreachable ${TO_PEER} proto 70`],
  ["a route leads through another interface", `ip route replace ${TO_PEER} dev und1 proto static`],
  ["a route leads to a neighbour of the underlay", `ip route replace ${TO_PEER} dev ${UNDERLAY}`],
  [
    "a route has several next hops",
    `ip route replace ${TO_PEER} nexthop via 192.168.77.8 dev ${UNDERLAY} nexthop via 192.168.77.9 dev ${UNDERLAY}`,
  ],
  [
    "a route has a next hop that is an object",
    `ip nexthop add id 7 via 192.168.77.9 dev ${UNDERLAY}; ip route replace ${TO_PEER} nhid 7`,
  ],
  [
    "an IPv6 route has another MTU",
    `ip -6 route change ${TO_PEER6} via ${ROUTE6.via} dev ${DEV6} onlink proto 70 mtu 1280`,
  ],
  ["a blackhole was put over an IPv6 route", `ip -6 route replace blackhole ${TO_PEER6} metric 1024`],
  [
    "an IPv6 route leads through another interface",
    `ip -6 route replace ${TO_PEER6} dev und1 metric 1024 proto static`,
  ],
  [
    "an IPv6 route has a second next hop of another protocol",
    `ip -6 route append ${TO_PEER6} via fd77::9 dev ${UNDERLAY} metric 1024`,
  ],
];

const UNDO =
  "ip route flush type blackhole; ip route flush type unreachable; ip nexthop flush; ip link del br9; ip link del und0";

describe("what was made of our objects is undone when", { skip: whyNotHere() }, () => {
  let kernel: KernelNet & Disposable;
  let known: Knowledge;
  const heard = hearHints((until) => openKernelNet(openNative()).hints(until));

  const pass = async () => {
    const result = await runPass("read", PLAN, known, { kernel, onOwn: () => {} }, signal);
    known = result.knowledge;
    return result;
  };
  const shell = (line: string) => execFileSync("sh", ["-c", line], { encoding: "utf8", stdio: "pipe" });

  beforeEach(async () => {
    shell("ip link add und0 type veth peer name und1; for dev in lo und0 und1; do ip link set $dev up; done");
    ip(`address add 192.168.77.1/24 dev ${UNDERLAY}`);
    ip(`-6 address add fd77::1/64 dev ${UNDERLAY} nodad`);
    kernel = openKernelNet(openNative());
    known = NOTHING_KNOWN;
    await pass();
    assert.deepEqual((await pass()).ops, []);
  });

  afterEach(() => {
    kernel[Symbol.dispose]();
    shell(`(${UNDO}) 2>/dev/null || true`);
  });

  it("a route that had come before one of somebody else has another MTU: it comes first again", async () => {
    shell(
      `ip route append blackhole ${TO_PEER}; ip route replace ${TO_PEER} via 10.5.2.0 dev ${DEV} onlink proto 70 mtu 600`,
    );
    await pass();
    assert.match(
      ip(`route show ${TO_PEER}`),
      /^10\.5\.2\.0\/24 via 10\.5\.2\.0 dev flannel\.1 proto 70[^\n]*onlink *\nblackhole/,
    );
    assert.deepEqual((await pass()).ops, []);
  });

  for (const [what, line] of CHANGES) {
    it(what, async () => {
      heard.forget();
      shell(`set -e; ${line}`);
      const undone = await pass();
      assert.deepEqual(undone.failures, []);
      assert.equal(undone.repair, true);
      assert.deepEqual((await pass()).ops, []);
      const isNews = ({ dev, over }: NetHint) =>
        dev === null || PLAN.scope.devices.includes(dev) || over === tunnelRoute(2).dst || over === ROUTE6.dst;
      await waitFor("a hint of it", () => (heard.some(isNews) ? true : null), seconds(10), signal);
    });
  }
});
