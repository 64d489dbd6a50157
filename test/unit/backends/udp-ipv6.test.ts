import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createUdp } from "../../../src/backends/udp.ts";
import type { Userspace } from "../../../src/backends/userspace.ts";
import { systemRandom as random } from "../../../src/base/random.ts";
import { diff } from "../../../src/net/diff.ts";
import { FLANNEL_PROTOCOL, KERNEL_PROTOCOL, keyOf, type NetObject } from "../../../src/net/objects.ts";
import {
  DUAL_NETWORK,
  DUAL_UNDERLAY,
  dualLease,
  hostNumber,
  IPV6_NETWORK,
  IPV6_UNDERLAY,
  ipv4Only,
  ipv6Only,
} from "../../support/dual-stack.ts";
import { FLANNEL0, tunDevice, udpView } from "../../support/udp-host.ts";
import { MARK } from "../../support/vxlan-host.ts";

const lease = (sketch: Parameters<typeof dualLease>[0]) => dualLease({ ...sketch, backendType: "" });
const DUAL = udpView({
  network: DUAL_NETWORK,
  underlay: DUAL_UNDERLAY,
  self: lease(hostNumber(52)),
  peers: [lease(hostNumber(20)), lease(ipv4Only(hostNumber(21)))],
});
const IPV6 = udpView({
  network: IPV6_NETWORK,
  underlay: IPV6_UNDERLAY,
  self: lease(ipv6Only(hostNumber(52))),
  peers: [lease(ipv6Only(hostNumber(20)))],
});

const address = (text: string) => ({ kind: "address", dev: FLANNEL0, address: text }) as NetObject;
const route = (dst: string, metric: number) =>
  ({ kind: "route", dev: FLANNEL0, dst, via: null, onlink: false, metric, protocol: FLANNEL_PROTOCOL }) as NetObject;

function userspace(): Userspace {
  return createUdp({}).userspace ?? assert.fail();
}

describe("the udp plan of a dual-stack network", () => {
  it("wants one device with an address and a route of each family", () => {
    assert.deepEqual(createUdp({}).plan(DUAL).want, [
      tunDevice(),
      address("10.5.52.0/32"),
      address("fd00:5:0:52::/128"),
      route("10.5.0.0/16", 0),
      route("fd00:5::/48", 1024),
    ]);
    assert.deepEqual(createUdp({}).plan(DUAL).scope.families, ["ipv4", "ipv6"]);
  });

  it("claims everything that it wants, and wants every key once", () => {
    for (const view of [DUAL, IPV6]) {
      const plan = createUdp({}).plan(view);
      assert.ok(plan.want.every(plan.claims));
      assert.equal(new Set(plan.want.map(keyOf)).size, plan.want.length);
      assert.deepEqual(diff(plan, plan.want).ops, []);
    }
  });

  it("leaves the address and the routes to the kernel that the kernel makes itself", () => {
    const { claims } = createUdp({}).plan(DUAL);
    assert.ok(!claims(address("fe80::1234/64")));
    assert.ok(!claims({ ...route("fe80::/64", 256), protocol: KERNEL_PROTOCOL } as NetObject));
    assert.ok(claims(address("fd00:5:0:9::/128")));
    assert.ok(claims(route("fd00:5:0:9::/64", 1024)));
  });
});

describe("the udp plan of a network without IPv4", () => {
  it("wants the IPv6 ones alone, and a device with room for outer IPv6", () => {
    assert.deepEqual(createUdp({}).plan(IPV6).want, [
      tunDevice({ mtu: 1452 }),
      address("fd00:5:0:52::/128"),
      route("fd00:5::/48", 1024),
    ]);
    assert.deepEqual(createUdp({}).plan(IPV6).scope.families, ["ipv6"]);
  });
});

describe("the datagrams of udp", () => {
  it("go over IPv4 in a network that has it, whatever is in them", () => {
    assert.equal(userspace().options(DUAL_UNDERLAY).address, "192.168.64.52");
    assert.equal(createUdp({}).mtu(DUAL_UNDERLAY), 1472);
    const port = 8285;
    assert.deepEqual(userspace().routes(DUAL), [
      { subnet: "10.5.20.0/24", address: "192.168.64.20", port },
      { subnet: "fd00:5:0:20::/64", address: "192.168.64.20", port },
      { subnet: "10.5.21.0/24", address: "192.168.64.21", port },
    ]);
    const { ipv4, ipv6 } = userspace().tunnel(DUAL);
    assert.deepEqual([ipv4, ipv6], ["10.5.52.0", "fd00:5:0:52::"]);
  });

  it("go over IPv6 in a network without IPv4", () => {
    assert.equal(userspace().options(IPV6_UNDERLAY).address, "fd77::52");
    assert.equal(createUdp({}).mtu(IPV6_UNDERLAY), 1452);
    assert.deepEqual(userspace().routes(IPV6), [{ subnet: "fd00:5:0:20::/64", address: "fd77::20", port: 8285 }]);
    const { ipv4, ipv6, mtu } = userspace().tunnel(IPV6);
    assert.deepEqual([ipv4, ipv6, mtu], [null, "fd00:5:0:52::", 1452]);
  });

  it("cannot go to a peer whose record lacks the address, and it is said which", () => {
    const { peerFault } = createUdp({});
    const toDual = { self: DUAL.self, underlay: DUAL_UNDERLAY };
    const toIpv6 = { self: IPV6.self, underlay: IPV6_UNDERLAY };
    assert.equal(peerFault(lease(hostNumber(20)), toDual), null);
    assert.equal(peerFault(lease(ipv6Only(hostNumber(20))), toIpv6), null);
    assert.match(peerFault(lease(ipv6Only(hostNumber(20))), toDual) ?? "", /^its record has no PublicIP, /);
    assert.match(peerFault(lease(ipv4Only(hostNumber(20))), toIpv6) ?? "", /^its record has no PublicIPv6, /);
  });
});

describe("udp in a network with IPv6", () => {
  const host = (underlay: typeof DUAL_UNDERLAY) => ({ underlay, links: [], mark: MARK });

  it("announces the addresses of both families", () => {
    const announced = createUdp({}).advertise({ ...host(DUAL_UNDERLAY), own: null, random });
    assert.deepEqual([announced.publicIp, announced.publicIpv6], ["192.168.64.52", "fd77::52"]);
    assert.equal(announced.backendType, "");
  });

  it("cannot be where the overlay would have less than 1280 bytes, and says how many it needs", () => {
    const { unsuitable } = createUdp({});
    assert.equal(unsuitable(host({ ...DUAL_UNDERLAY, mtu: 1308 })), null);
    assert.match(unsuitable(host({ ...DUAL_UNDERLAY, mtu: 1307 })) ?? "", /at least 1280 .* of 1308 on the underlay/);
    assert.match(unsuitable(host({ ...IPV6_UNDERLAY, mtu: 1327 })) ?? "", /of 1328 on the underlay, which has 1327/);
    assert.equal(unsuitable(host({ ...DUAL_UNDERLAY, mtu: 600, v6: null })), null);
    assert.match(createUdp({ MTU: 1300 }).unsuitable(host(DUAL_UNDERLAY)) ?? "", /which has 1300/);
  });
});
