// What every KernelNet does with IPv6: the same as with IPv4, but for what the kernel does otherwise. Part of the suite in
// kernel-net.ts.

import assert from "node:assert/strict";
import { afterEach, beforeEach, it } from "node:test";
import type { IfAddr, Ip } from "../../src/base/ip.ts";
import { type Ipv6, isLinkLocalIpv6, type Prefix6 } from "../../src/base/ipv6.ts";
import { diff, type NetOp } from "../../src/net/diff.ts";
import {
  type Address,
  type Blackhole,
  BOOT_PROTOCOL,
  type FdbEntry,
  FLANNEL_PROTOCOL,
  IPV6_METRIC,
  KERNEL_PROTOCOL,
  type LinkName,
  type Neighbour,
  type NetObject,
  RA_PROTOCOL,
  type Route,
  type VxlanLink,
} from "../../src/net/objects.ts";
import type { NetScope, Plan } from "../../src/net/plan.ts";
import {
  ALL_KINDS,
  assertSame,
  create,
  DEV,
  device,
  type KernelFixture,
  peerMac,
  remove,
} from "./kernel-net-fixture.ts";

const DEV6 = "flannel-v6.1" as LinkName;
const OWN6: Address = { kind: "address", dev: DEV6, address: "fd00:10:5:1::/128" as IfAddr };
const OWN_BLACKHOLE: Blackhole = {
  kind: "blackhole",
  dst: "fd00:10:5:1::/64" as Prefix6,
  metric: 65_535,
  protocol: FLANNEL_PROTOCOL,
};

function device6(lower: LinkName): VxlanLink {
  return { ...device(lower), name: DEV6, mtu: 1430, local: "fd77::1" as Ip, mac: peerMac(99) };
}

function neighbour6(peer: number): Neighbour {
  return { kind: "neighbour", dev: DEV6, ip: `fd00:10:5:${peer}::` as Ip, mac: peerMac(peer) };
}

function fdb6(peer: number): FdbEntry {
  return { kind: "fdb", dev: DEV6, mac: peerMac(peer), dst: `fd77::${peer}` as Ip };
}

function tunnelRoute6(peer: number): Route {
  return {
    kind: "route",
    dev: DEV6,
    dst: `fd00:10:5:${peer}::/64` as Prefix6,
    via: `fd00:10:5:${peer}::` as Ip,
    onlink: true,
    metric: IPV6_METRIC,
    protocol: FLANNEL_PROTOCOL,
  };
}

export function ipv6Contract(open: () => Promise<KernelFixture>): void {
  let fixture: KernelFixture;
  const { signal } = new AbortController();
  beforeEach(async () => {
    fixture = await open();
  });
  afterEach(async () => {
    // It leads through no device and goes with none.
    await fixture.kernel.apply(remove(OWN_BLACKHOLE), signal);
    await fixture[Symbol.asyncDispose]();
  });

  const scope = (families: NetScope["families"] = ["ipv6"]): NetScope => ({
    families,
    devices: [DEV, DEV6],
    routeDevices: [fixture.underlay],
    kinds: ALL_KINDS,
  });
  /** Without what the kernel makes on every device. */
  const objects = async (families?: NetScope["families"]) =>
    (await fixture.kernel.read(scope(families), signal)).objects().filter((object) => !isOfKernel(object));
  const apply = async (...ops: readonly NetOp[]) => {
    assert.deepEqual(await fixture.kernel.apply(ops, signal), []);
  };
  const tunnel = (...peers: readonly number[]): readonly NetObject[] => [
    device6(fixture.underlay),
    OWN6,
    ...peers.flatMap((peer) => [neighbour6(peer), fdb6(peer), tunnelRoute6(peer)]),
  ];

  it("reads back what was made, field by field; twice is once, and it can all be deleted", async () => {
    for (let time = 0; time < 2; time++) await apply(...create(...tunnel(2, 3)));
    assertSame(await objects(), tunnel(2, 3));
    for (let time = 0; time < 2; time++) await apply(...remove(...tunnel(2, 3).toReversed()));
    assertSame(await objects(), []);
  });

  it("tells which networks an interface reaches without a gateway, by its addresses or as a router says", async () => {
    const route = { kind: "route", dev: fixture.underlay, via: null, onlink: false, metric: IPV6_METRIC } as const;
    const said: Route = { ...route, dst: "fd78::/64" as Prefix6, protocol: RA_PROTOCOL };
    const further: Route = { ...said, dst: "fd79::/64" as Prefix6, via: "fd77::9" as Ip };
    const single: Route = { ...said, dst: "fd78::9/128" as Prefix6 };
    const another: Route = { ...said, dst: "fd76::/64" as Prefix6, protocol: FLANNEL_PROTOCOL };
    await fixture.externally(create(said, further, single, another));
    const { interfaces } = await fixture.kernel.underlayFacts(["ipv6"], signal);
    const found = interfaces.find(({ name }) => name === fixture.underlay)?.networks6 ?? [];
    assert.deepEqual(found.filter((network) => network.startsWith("fd")).toSorted(), ["fd77::/64", "fd78::/64"]);
    const [none] = (await fixture.kernel.underlayFacts(["ipv4"], signal)).interfaces;
    assert.deepEqual(none?.networks6, []);
  });

  it("has both devices of one VNI and one port side by side, and reads the families that are asked for", async () => {
    await apply(...create(device(fixture.underlay), ...tunnel(2)));
    assertSame(await objects(["ipv4", "ipv6"]), [device(fixture.underlay), ...tunnel(2)]);
    const ofNone = (object: NetObject) => object.kind === "link" || object.kind === "fdb";
    assertSame(await objects(["ipv4"]), [device(fixture.underlay), ...tunnel(2)].filter(ofNone));
  });

  it("has an address that is of use at once", async () => {
    await apply(...create(...tunnel()));
    const { interfaces } = await fixture.kernel.underlayFacts(["ipv4", "ipv6"], signal);
    const addresses = interfaces.find(({ name }) => name === DEV6)?.addresses6 ?? [];
    const own = addresses.find(({ ip }) => ip === "fd00:10:5:1::");
    assert.deepEqual(own && { tentative: own.tentative, permanent: own.permanent }, {
      tentative: false,
      permanent: true,
    });
  });

  it("loses address, routes and neighbours with a device that goes down, and has them again afterwards", async () => {
    await apply(...create(...tunnel(2)));
    await fixture.setUp(DEV6, false);
    assertSame(await objects(), [{ ...device6(fixture.underlay), up: false }, fdb6(2)]);
    await fixture.setUp(DEV6, true);
    await apply(...create(...tunnel(2)));
    assertSame(await objects(), tunnel(2));
  });

  it("takes the place of a Go daemon's route of the same gateway, and leaves exactly one", async () => {
    const ofGo: Route = { ...tunnelRoute6(2), protocol: BOOT_PROTOCOL };
    await apply(...create(device6(fixture.underlay), ofGo));
    await apply({ op: "replace", object: tunnelRoute6(2), previous: ofGo });
    assertSame(await objects(), [device6(fixture.underlay), tunnelRoute6(2)]);
  });

  it("changes the device and the gateway of a route", async () => {
    const { underlay } = fixture;
    const direct: Route = { ...tunnelRoute6(2), dev: underlay, via: "fd77::2" as Ip, onlink: false };
    await apply(...create(device6(underlay), tunnelRoute6(2)));
    await apply({ op: "replace", object: direct, previous: tunnelRoute6(2) });
    assertSame(await objects(), [device6(underlay), direct]);
    await apply({ op: "replace", object: tunnelRoute6(2), previous: direct });
    assertSame(await objects(), [device6(underlay), tunnelRoute6(2)]);
  });

  it("sees each of several next hops as a route, and one pass leaves the wanted one", async () => {
    await apply(...create(...tunnel(2)));
    await fixture.appendRoute({ ...tunnelRoute6(2), via: "fd00:10:5:3::" as Ip });
    const found = await objects();
    assert.equal(found.filter(({ kind }) => kind === "route").length, 2);
    const plan: Plan = {
      scope: scope(),
      want: tunnel(2),
      claims: (object) => object.kind !== "route" || object.protocol !== KERNEL_PROTOCOL,
      complete: true,
    };
    await apply(...diff(plan, found).ops);
    assertSame(await objects(), tunnel(2));
  });

  it("is not made in the place of somebody else's route, which stays and is named", async () => {
    const foreign: Route = { ...tunnelRoute6(2), via: "fd00:10:5:9::" as Ip, protocol: 186 as Route["protocol"] };
    await apply(...create(device6(fixture.underlay)));
    await fixture.appendRoute(foreign);
    const [failure] = await fixture.kernel.apply(create(tunnelRoute6(2)), signal);
    assert.equal(failure?.error.info.errno, "EEXIST");
    assert.match(failure?.error.message ?? "", /fd00:10:5:2::\/64 via fd00:10:5:9::/);
    assertSame(await objects(), [device6(fixture.underlay), foreign]);
  });

  it("is made in the place of somebody else's, also through another device, where it stood before", async () => {
    const { underlay } = fixture;
    await apply(...create(device6(underlay)));
    const near: Route = { ...tunnelRoute6(2), via: "fd00:10:5:9::" as Ip, protocol: BOOT_PROTOCOL };
    const elsewhere: Route = { ...near, dev: underlay, via: "fd77::9" as Ip, onlink: false };
    for (const foreign of [near, elsewhere]) {
      await apply(...remove(tunnelRoute6(2)));
      await fixture.appendRoute(foreign);
      for (const _twice of [1, 2]) await apply({ op: "create", object: tunnelRoute6(2), retake: true });
      assertSame(await objects(), [device6(underlay), tunnelRoute6(2)]);
    }
  });

  it("has blackhole routes beside routes of the same destination, and hints when one is deleted", async () => {
    const kinds = ["blackhole"] as const;
    const read = async () => (await fixture.kernel.read({ ...scope(), kinds }, signal)).objects();
    for (let time = 0; time < 2; time++) await apply(...create(OWN_BLACKHOLE));
    assertSame(await read(), [OWN_BLACKHOLE]);
    assertSame((await fixture.kernel.read({ ...scope(["ipv4"]), kinds }, signal)).objects(), []);
    const stop = new AbortController();
    const hints = fixture.kernel.hints(stop.signal);
    await fixture.externally(remove(OWN_BLACKHOLE));
    for await (const hint of hints) if (hint.reason === "route" && hint.dev === null) break;
    stop.abort();
    assertSame(await read(), []);
  });

  it("hints at changes that others make", async () => {
    await apply(...create(device6(fixture.underlay)));
    for (const [object, reason] of [
      [OWN6, "address"],
      [neighbour6(2), "neighbour"],
      [tunnelRoute6(2), "route"],
    ] as const) {
      const stop = new AbortController();
      const hints = fixture.kernel.hints(stop.signal);
      await fixture.externally(create(object));
      for await (const hint of hints) if (hint.reason === reason && hint.dev === DEV6) break;
      stop.abort();
    }
  });

  it("names addresses from the oldest on, and default routes where there is no IPv4", async () => {
    const { underlay } = fixture;
    const newer: Address = { kind: "address", dev: underlay, address: "fd77::5/64" as IfAddr };
    await fixture.externally(create(newer));
    const facts = await fixture.kernel.underlayFacts(["ipv6"], signal);
    const found = facts.interfaces.find(({ name }) => name === underlay)?.addresses6 ?? [];
    assert.deepEqual(
      found.map(({ ip, prefix }) => ({ ip, prefix })).filter(({ ip }) => !isLinkLocalIpv6(ip)),
      [
        { ip: "fd77::1", prefix: "fd77::/64" },
        { ip: "fd77::5", prefix: "fd77::/64" },
      ],
    );
    assert.deepEqual(facts.defaultRoutes6, [{ dev: underlay, metric: IPV6_METRIC }]);
    const without = await fixture.kernel.underlayFacts(["ipv4"], signal);
    assert.deepEqual(
      without.interfaces.flatMap(({ addresses6 }) => addresses6),
      [],
    );
  });

  it("says which way a packet would take", async () => {
    const way = await fixture.kernel.lookup("2001:db8::1" as Ip, signal);
    assert.deepEqual(way && { dev: way.dev, via: way.via }, { dev: fixture.underlay, via: "fd77::fe" });
  });
}

/** Connected routes, and what every interface gives itself. */
function isOfKernel(object: NetObject): boolean {
  if (object.kind === "route")
    return object.protocol === KERNEL_PROTOCOL || object.dst === "::/0" || object.dst === "0.0.0.0/0";
  return object.kind === "address" && isLinkLocalIpv6(object.address as string as Ipv6);
}
