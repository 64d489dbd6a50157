// What the backends make of IPv6, alone and beside IPv4.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Backend, NetworkView } from "../../../src/backends/backend.ts";
import { claimEarlierRoutes, flannelDevices } from "../../../src/backends/earlier-routes.ts";
import { createHostGw } from "../../../src/backends/host-gw.ts";
import { createVxlan } from "../../../src/backends/vxlan.ts";
import type { IfAddr } from "../../../src/base/ip.ts";
import { type Ipv6, parsePrefix6 } from "../../../src/base/ipv6.ts";
import { systemRandom as random } from "../../../src/base/random.ts";
import { diff } from "../../../src/net/diff.ts";
import {
  BOOT_PROTOCOL,
  FLANNEL_PROTOCOL,
  KERNEL_PROTOCOL,
  keyOf,
  type LinkName,
  type NetObject,
  type Route,
  type VxlanLink,
} from "../../../src/net/objects.ts";
import { createOwnBlackhole } from "../../../src/own-blackhole.ts";
import { createPlanner } from "../../../src/planner.ts";
import type { Lease, Revision } from "../../../src/subnet/lease.ts";
import { EMPTY_TABLE, foldTable } from "../../../src/subnet/lease-table.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import {
  DUAL_NETWORK,
  DUAL_PEER,
  DUAL_SELF,
  DUAL_UNDERLAY,
  dualLease,
  dualView,
  hostNumber,
  IPV6_NETWORK,
  IPV6_UNDERLAY,
  ipv4Only,
  ipv6Only,
} from "../../support/dual-stack.ts";
import { MARK } from "../../support/vxlan-host.ts";

const DEV6 = "flannel-v6.1" as LinkName;

const IPV6_VIEW = dualView({
  network: IPV6_NETWORK,
  underlay: IPV6_UNDERLAY,
  self: dualLease(ipv6Only(hostNumber(52))),
  peers: [dualLease(ipv6Only(hostNumber(4)))],
});

const DEVICE6: VxlanLink = {
  kind: "link",
  type: "vxlan",
  name: DEV6,
  mtu: 1430,
  up: true,
  mac: "02:00:00:00:06:52" as never,
  vni: 1,
  port: 8472,
  local: "fd77::52" as Ipv6,
  lower: DUAL_UNDERLAY.link,
  learning: false,
  gbp: false,
  external: false,
  checksumOffload: null,
};
const MAC6 = "02:00:00:00:06:04" as never;
const ROUTE6: Route = {
  kind: "route",
  dev: DEV6,
  dst: parsePrefix6("fd00:5:0:4::/64"),
  via: "fd00:5:0:4::" as Ipv6,
  onlink: true,
  metric: 1024,
  protocol: FLANNEL_PROTOCOL,
};
const VXLAN6: readonly NetObject[] = [
  DEVICE6,
  { kind: "address", dev: DEV6, address: "fd00:5:0:52::/128" as IfAddr },
  { kind: "neighbour", dev: DEV6, ip: "fd00:5:0:4::" as Ipv6, mac: MAC6 },
  ROUTE6,
  { kind: "fdb", dev: DEV6, mac: MAC6, dst: "fd77::4" as Ipv6 },
];
const DIRECT6: Route = { ...ROUTE6, dev: DUAL_UNDERLAY.link, via: "fd77::4" as Ipv6, onlink: false };

describe("the vxlan plan with IPv6", () => {
  const vxlan = createVxlan({});

  it("has a second device, and on it for each peer what the first one has", () => {
    const { want, scope } = vxlan.plan(dualView());
    assert.deepEqual(scope.families, ["ipv4", "ipv6"]);
    assert.deepEqual(scope.devices, ["flannel.1", DEV6]);
    assert.deepEqual(want.slice(-5), VXLAN6);
    assert.deepEqual(want.slice(0, 5).map(keyOf), [
      "link flannel.1",
      "address flannel.1 10.5.52.0/32",
      "neighbour flannel.1 10.5.4.0",
      "route 10.5.4.0/24 0",
      "fdb flannel.1 02:00:00:00:04:04",
    ]);
  });

  it("has that device alone without IPv4", () => {
    const { want, scope } = vxlan.plan(IPV6_VIEW);
    assert.deepEqual(scope.families, ["ipv6"]);
    assert.deepEqual(want, VXLAN6);
  });

  it("wants of a peer the family that it has", () => {
    const of = (peer: Lease) =>
      vxlan.plan(dualView({ peers: [peer] })).want.flatMap((object) => (object.kind === "route" ? object.dst : []));
    assert.deepEqual(of(dualLease(ipv4Only(hostNumber(4)))), ["10.5.4.0/24"]);
    assert.deepEqual(of(dualLease(ipv6Only(hostNumber(4)))), ["fd00:5:0:4::/64"]);
  });

  it("claims what it wants, and on each device the device's own family, but not what the kernel put there", () => {
    const plan = vxlan.plan(dualView());
    assert.ok(plan.want.every(plan.claims));
    const address = (dev: string, text: string): NetObject => ({
      kind: "address",
      dev: dev as LinkName,
      address: text as IfAddr,
    });
    assert.ok(plan.claims(address(DEV6, "fd00::9/64")));
    assert.ok(!plan.claims(address(DEV6, "fe80::9/64")));
    assert.ok(!plan.claims(address("flannel.1", "fd00::9/64")));
    assert.ok(!plan.claims(address(DEV6, "10.9.9.9/24")));
    assert.ok(plan.claims({ ...ROUTE6, protocol: BOOT_PROTOCOL }));
    assert.ok(!plan.claims({ ...ROUTE6, protocol: KERNEL_PROTOCOL }));
    assert.ok(!plan.claims({ ...ROUTE6, dev: "flannel.1" as LinkName }));
  });

  it("leaves 1430 of 1500 bytes for pods when a packet may travel by IPv6, and 1450 on the device that is IPv4's", () => {
    assert.equal(vxlan.mtu(DUAL_UNDERLAY), 1430);
    const devices = vxlan.devices(DUAL_UNDERLAY, null);
    assert.deepEqual(
      devices.map(({ name, families, mtu }) => [name, ...families, mtu]),
      [
        ["flannel.1", "ipv4", 1450],
        ["flannel-v6.1", "ipv6", 1430],
      ],
    );
    const named = (name: LinkName, vni: number) => ({ ...DEVICE6, name, vni });
    assert.deepEqual(
      [named("flannel.1" as LinkName, 1), named("flannel.1" as LinkName, 7), named(DEV6, 1)].map((link) =>
        devices.map(({ isIt }) => isIt(link)),
      ),
      [
        [true, false],
        [false, false],
        [false, true],
      ],
    );
    assert.equal(vxlan.mtu(IPV6_UNDERLAY), 1430);
    assert.equal(vxlan.mtu({ ...DUAL_UNDERLAY, v6: null }), 1450);
    const [first] = vxlan.plan(dualView()).want;
    assert.equal(first?.kind === "link" && first.mtu, 1450);
  });

  it("routes directly in each family in which the peer is on the link", () => {
    const direct = createVxlan({ DirectRouting: true });
    const routesTo = (peer: Lease) =>
      direct.plan(dualView({ peers: [peer] })).want.flatMap((object) => (object.kind === "route" ? [object.dev] : []));
    assert.deepEqual(routesTo(DUAL_PEER), ["eth0", "eth0"]);
    assert.deepEqual(routesTo(dualLease(hostNumber(4, { publicIpv6: "fd99::4" }))), ["eth0", DEV6]);
    assert.ok(direct.plan(dualView()).want.some((object) => keyOf(object) === keyOf(DIRECT6)));
  });

  it("announces both addresses and a MAC of its own for each device, and keeps them", () => {
    const host = { underlay: DUAL_UNDERLAY, links: [], mark: MARK, random };
    const fresh = vxlan.advertise({ ...host, own: null });
    assert.deepEqual([fresh.publicIp, fresh.publicIpv6], ["192.168.64.52", "fd77::52"]);
    assert.notDeepEqual(fresh.backendData, fresh.backendV6Data);
    const { backendData, backendV6Data } = vxlan.advertise({ ...host, own: DUAL_SELF });
    assert.deepEqual([backendData, backendV6Data], [DUAL_SELF.attrs.backendData, DUAL_SELF.attrs.backendV6Data]);
    const kept = vxlan.advertise({ ...host, links: [DEVICE6], own: dualLease(ipv4Only(hostNumber(52))) });
    assert.deepEqual(kept.backendV6Data, { VNI: 1, VtepMAC: "02:00:00:00:06:52" });
    assert.deepEqual(kept.backendData, DUAL_SELF.attrs.backendData);
    const alone = vxlan.advertise({ ...host, underlay: IPV6_UNDERLAY, own: null });
    assert.deepEqual([alone.publicIp, alone.publicIpv6, alone.backendData], ["0.0.0.0", "fd77::52", null]);
  });

  it("shares VNI and port with a device of the other family, and with none of its own", () => {
    const host = { underlay: DUAL_UNDERLAY, mark: MARK };
    const other = (local: string, name: string): VxlanLink => ({
      ...DEVICE6,
      name: name as LinkName,
      local: local as Ipv6,
    });
    const both = [other("192.168.64.52", "flannel.1"), DEVICE6];
    assert.equal(vxlan.unsuitable({ ...host, links: both }), null);
    assert.match(vxlan.unsuitable({ ...host, links: [other("fd77::9", "mine")] }) ?? "", /mine already has VNI 1/);
    assert.match(vxlan.unsuitable({ ...host, links: [other("10.1.1.1", "mine")] }) ?? "", /mine already has VNI 1/);
    const ipv4Underlay = { ...host, underlay: { ...DUAL_UNDERLAY, v6: null } };
    assert.equal(vxlan.unsuitable({ ...ipv4Underlay, links: [other("fd77::9", "mine")] }), null);
  });

  it("is refused where the kernel would not have it: a name too long, an MTU too small", () => {
    const host = { underlay: DUAL_UNDERLAY, links: [], mark: MARK };
    assert.match(createVxlan({ VNI: 10_000 }).unsuitable(host) ?? "", /flannel-v6\.10000: set a VNI of at most 9999/);
    assert.equal(createVxlan({ VNI: 9999 }).unsuitable(host), null);
    const narrow = { ...host, underlay: { ...DUAL_UNDERLAY, mtu: 1300 } };
    assert.match(vxlan.unsuitable(narrow) ?? "", /at least 1280 in the overlay, and so of 1350 .* which has 1300/);
    assert.equal(vxlan.unsuitable({ ...narrow, underlay: { ...narrow.underlay, v6: null } }), null);
  });
});

describe("the host-gw plan with IPv6", () => {
  const routes = (view: NetworkView) => createHostGw({}).plan(view);

  it("has a plain route for each family of a peer", () => {
    const { want, scope } = routes(dualView());
    assert.deepEqual(want.map(keyOf), ["route 10.5.4.0/24 0", "route fd00:5:0:4::/64 1024"]);
    assert.deepEqual(want[1], DIRECT6);
    assert.deepEqual(scope.families, ["ipv4", "ipv6"]);
    assert.deepEqual(routes(IPV6_VIEW).want, [DIRECT6]);
  });

  it("takes the place of a Go daemon's routes, and lets those of hosts that have left go", () => {
    const plan = routes(dualView());
    const ofGo: Route = { ...DIRECT6, protocol: BOOT_PROTOCOL };
    const left: Route = { ...ofGo, dst: parsePrefix6("fd00:5:0:9::/64") };
    const byHand: Route = { ...ofGo, dst: parsePrefix6("fd00:5:0:8::/61") };
    const ops = diff(plan, [ofGo, left, byHand]).ops.map(({ op, object }) => `${op} ${keyOf(object)}`);
    assert.deepEqual(ops, [
      "create route 10.5.4.0/24 0",
      "replace route fd00:5:0:4::/64 1024",
      "delete route fd00:5:0:9::/64 1024",
    ]);
  });
});

describe("a peer that can be reached in one family only", () => {
  const planned = (backend: Backend, ...peers: readonly Lease[]) => {
    const log = createCapturedLog();
    const list = { revision: "9" as Revision, leases: [DUAL_SELF, ...peers], bad: [] };
    const planner = createPlanner({
      ...dualView(),
      overlay: () => ({ backend, network: DUAL_NETWORK }),
      underlay: () => DUAL_UNDERLAY,
      formerUnderlays: () => [],
      onView: () => {},
      table: () => foldTable(EMPTY_TABLE, { kind: "reset", list }),
      self: () => DUAL_SELF,
      isHeld: () => true,
      clock: createFakeClock(),
      measuredOffload: () => null,
      log,
    });
    return planner.plan().want.flatMap((object) => (object.kind === "route" ? object.dst : []));
  };

  it("is a peer in that one, where its record says nothing of the other", () => {
    const { mac6: _, ...withoutMac6 } = hostNumber(4);
    const { mac: __, ...withoutMac } = hostNumber(5);
    const peers = [dualLease(withoutMac6), dualLease(withoutMac)];
    assert.deepEqual(planned(createVxlan({}), ...peers).toSorted(), ["10.5.4.0/24", "fd00:5:0:5::/64"]);
  });

  it("is a peer in that one, where it is on the link in one only", () => {
    const sketch = { backendType: "host-gw", publicIpv6: "fd99::4" };
    assert.deepEqual(planned(createHostGw({}), dualLease(hostNumber(4, sketch))), ["10.5.4.0/24"]);
  });
});

describe("what an earlier config has left of IPv6", () => {
  it("is ours like that of IPv4: on devices of flannel, and through the underlay", () => {
    const claims = claimEarlierRoutes(dualView({ flannelDevices: [DEV6] }));
    assert.ok(claims({ ...ROUTE6, protocol: BOOT_PROTOCOL }));
    assert.ok(claims(DIRECT6));
    assert.ok(!claims({ ...DIRECT6, dst: parsePrefix6("fd09::/64") }));
    assert.ok(!claims({ ...DIRECT6, protocol: KERNEL_PROTOCOL }));
    const link = (name: string, driver: string): NetObject =>
      ({
        ...{ kind: "link", type: "other", mtu: 1, up: true, mac: null },
        ...{ name: name as LinkName, driver },
      }) as NetObject;
    const links = [DEVICE6, link("flannel-wg-v6", "wireguard"), link("flannel-v6.x", "vxlan")];
    assert.deepEqual(flannelDevices(links as never), [DEV6, "flannel-wg-v6"]);
  });

  it("is a blackhole route as well, one for each family of the subnet", () => {
    const plan = createOwnBlackhole(
      () => ({ network: DUAL_NETWORK, subnet: DUAL_SELF.subnet }),
      true,
    )(createHostGw({}).plan(dualView({ peers: [] })));
    assert.deepEqual(plan.want.map(keyOf), ["blackhole 10.5.52.0/24 65535", "blackhole fd00:5:0:52::/64 65535"]);
    assert.ok(plan.want.every(plan.claims));
    const of = (dst: string, protocol = FLANNEL_PROTOCOL): NetObject => ({
      kind: "blackhole",
      dst: parsePrefix6(dst),
      metric: 65_535,
      protocol,
    });
    assert.ok(plan.claims(of("fd00:5:0:9::/64")) && !plan.claims(of("fd09::/64")));
    assert.ok(plan.claims(of("fd00:5:0:52::/64", BOOT_PROTOCOL)) && !plan.claims(of("fd00:5:0:9::/64", BOOT_PROTOCOL)));
  });
});
