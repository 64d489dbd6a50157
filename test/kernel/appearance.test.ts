import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { IfAddr, Ipv4, Prefix4 } from "../../src/base/ip.ts";
import type { Mac } from "../../src/base/mac.ts";
import type { KernelNet } from "../../src/net/kernel-net.ts";
import { FLANNEL_PROTOCOL, type LinkName, type NetObject, type VxlanLink } from "../../src/net/objects.ts";
import type { NetScope } from "../../src/net/plan.ts";
import { type Connection, openConnection } from "../../src/netlink/connection.ts";
import { requestFdb } from "../../src/netlink/fdb.ts";
import { openKernelNet } from "../../src/netlink/kernel-net.ts";
import { requestNeighbours } from "../../src/netlink/neighbour.ts";
import { readLink } from "../../src/netlink/read-links.ts";
import { bridge, ip, whyNotHere } from "../support/namespace.ts";
import { openNative } from "../support/native.ts";

const DEV = "flannel.7" as LinkName;
const PEER_MAC = "02:00:00:00:02:02" as Mac;

const DEVICE: VxlanLink = {
  kind: "link",
  type: "vxlan",
  name: DEV,
  mtu: 1450,
  up: true,
  mac: "02:00:00:00:01:00" as Mac,
  vni: 7,
  port: 8472,
  local: "192.168.77.1" as Ipv4,
  lower: "und0" as LinkName,
  learning: false,
  gbp: false,
  external: false,
  checksumOffload: true,
};

const OBJECTS: readonly NetObject[] = [
  DEVICE,
  { kind: "address", dev: DEV, address: "10.5.1.0/32" as IfAddr },
  { kind: "fdb", dev: DEV, mac: PEER_MAC, dst: "192.168.77.2" as Ipv4 },
  { kind: "neighbour", dev: DEV, ip: "10.5.2.0" as Ipv4, mac: PEER_MAC },
  {
    kind: "route",
    dev: DEV,
    dst: "10.5.2.0/24" as Prefix4,
    via: "10.5.2.0" as Ipv4,
    onlink: true,
    metric: 0,
    protocol: FLANNEL_PROTOCOL,
  },
];

const SCOPE: NetScope = {
  families: ["ipv4"],
  devices: [DEV],
  routeDevices: [],
  kinds: ["link", "address", "route", "neighbour", "fdb"],
};

describe("what we make", { skip: whyNotHere() }, () => {
  const { signal } = new AbortController();
  let kernel: KernelNet & Disposable;
  let connection: Connection;

  beforeEach(() => {
    kernel = openKernelNet(openNative());
    connection = openConnection(openNative());
    ip("link add und0 type veth peer name und1");
    for (const dev of ["lo", "und0", "und1"]) ip(`link set ${dev} up`);
    ip("address add 192.168.77.1/24 dev und0");
  });

  afterEach(() => {
    kernel[Symbol.dispose]();
    connection[Symbol.dispose]();
    ip("link del und0");
  });

  const make = async (...objects: readonly NetObject[]) => {
    const ops = objects.map((object) => ({ op: "create" as const, object }));
    assert.deepEqual(await kernel.apply(ops, signal), []);
  };

  it("looks to ip(8) and bridge(8) like what the Go daemon makes, but for a route's protocol and scope", async () => {
    await make(...OBJECTS);
    const device = ip(`-d link show ${DEV}`);
    assert.match(device, /<BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 /);
    assert.match(device, /link\/ether 02:00:00:00:01:00 /);
    assert.match(device, / qdisc noqueue state /);
    assert.doesNotMatch(device, / qlen /);
    assert.match(
      device,
      /vxlan id 7 local 192\.168\.77\.1 dev und0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300 /,
    );
    assert.match(ip(`address show dev ${DEV}`), /inet 10\.5\.1\.0\/32 scope global flannel\.7\n/);
    assert.equal(ip(`route show dev ${DEV}`).trim(), "10.5.2.0/24 via 10.5.2.0 proto 70 scope 142 onlink");
    assert.equal(ip(`neighbour show dev ${DEV} nud permanent`).trim(), `10.5.2.0 lladdr ${PEER_MAC} PERMANENT`);
    assert.match(bridge(`fdb show dev ${DEV}`), /02:00:00:00:02:02 dst 192\.168\.77\.2 self permanent/);
  });

  it("takes no router advertisements", async () => {
    await make(DEVICE);
    assert.equal(readFileSync(`/proc/sys/net/ipv6/conf/${DEV}/accept_ra`, "utf8"), "0\n");
  });

  it("has learning and group policy when they are asked for", async () => {
    const device = { ...DEVICE, learning: true, gbp: true };
    await make(device);
    assert.match(ip(`-d link show ${DEV}`), / gbp /);
    assert.doesNotMatch(ip(`-d link show ${DEV}`), /nolearning/);
    const [link] = (await kernel.read({ ...SCOPE, kinds: ["link"] }, signal)).objects();
    assert.deepEqual(link, device);
  });

  it("is told apart from what others made: a device for all VNIs, one without lower device or local address", async () => {
    ip("link add vx0 type vxlan external dstport 4789");
    ip("link add vx1 type vxlan id 9 dstport 4790");
    const links = await kernel.links(signal);
    const found = links
      .filter((link) => link.type === "vxlan")
      .map(({ external, lower, local }) => ({ external, lower, local }));
    assert.deepEqual(found, [
      { external: true, lower: null, local: null },
      { external: false, lower: null, local: null },
    ]);
    for (const dev of ["vx0", "vx1"]) ip(`link del ${dev}`);
  });

  it("has the same digest while only time passes", async () => {
    await make(...OBJECTS);
    const index = readLink({ name: DEV }, connection)?.index ?? 0;
    const raw = () => {
      const dumps = [requestNeighbours(index, "ipv4"), requestFdb(index)].map(
        (request) => connection.dump(request).messages,
      );
      for (const dump of dumps) dump.fill(0, 8, 12);
      return Buffer.concat(dumps).toString("hex");
    };
    const { digest } = await kernel.read(SCOPE, signal);
    const before = raw();
    while (raw() === before) await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await kernel.read(SCOPE, signal)).digest, digest);
  });

  it("takes a neighbour over that the kernel had learnt, and reads none that is not permanent", async () => {
    await make(DEVICE);
    ip(`neighbour add 10.5.2.0 lladdr 02:00:00:00:0f:0f dev ${DEV} nud stale`);
    const scope = { ...SCOPE, kinds: ["neighbour"] as const };
    assert.deepEqual((await kernel.read(scope, signal)).objects(), []);
    const neighbours = OBJECTS.filter(({ kind }) => kind === "neighbour");
    await make(...neighbours);
    assert.deepEqual((await kernel.read(scope, signal)).objects(), neighbours);
  });

  it("leaves a route with several next hops out of a reading, and names its devices as default routes", async () => {
    ip("link add und2 type veth peer name und3");
    for (const dev of ["und2", "und3"]) ip(`link set ${dev} up`);
    ip("address add 192.168.78.1/24 dev und2");
    ip("route add default metric 5 nexthop via 192.168.77.9 dev und0 nexthop via 192.168.78.9 dev und2");
    ip("route add default via 192.168.78.8 dev und2 metric 2");
    const { defaultRoutes } = await kernel.underlayFacts(["ipv4"], signal);
    assert.deepEqual(defaultRoutes, [
      { dev: "und2", metric: 2 },
      { dev: "und0", metric: 5 },
      { dev: "und2", metric: 5 },
    ]);
    const scope: NetScope = { families: ["ipv4"], devices: ["und0" as LinkName], routeDevices: [], kinds: ["route"] };
    const routes = (await kernel.read(scope, signal)).objects();
    assert.ok(routes.every((route) => route.kind === "route" && route.dst !== "0.0.0.0/0"));
    ip("link del und2");
  });

  it("knows addresses with a lifetime and secondary ones", async () => {
    ip("address add 192.168.77.2/24 dev und0");
    ip("address add 192.168.79.1/24 dev und0 valid_lft 3600 preferred_lft 0");
    const { interfaces } = await kernel.underlayFacts(["ipv4"], signal);
    const addresses = interfaces.find(({ name }) => name === "und0")?.addresses;
    assert.deepEqual(addresses, [
      { ip: "192.168.77.1", prefix: "192.168.77.0/24", permanent: true, secondary: false, deprecated: false },
      { ip: "192.168.79.1", prefix: "192.168.79.0/24", permanent: false, secondary: false, deprecated: true },
      { ip: "192.168.77.2", prefix: "192.168.77.0/24", permanent: true, secondary: true, deprecated: false },
    ]);
  });

  it("is made in thousands within the event loop's patience, each failure with its operation", async () => {
    await make(DEVICE);
    const many = Array.from({ length: 1000 }, (_, peer): NetObject => {
      const subnet = `10.${64 + (peer >> 8)}.${peer & 255}.0`;
      const onlink = peer % 10 !== 0;
      return { ...route(subnet), onlink };
    });
    const failures = await kernel.apply(
      many.map((object) => ({ op: "create", object })),
      signal,
    );
    assert.deepEqual(
      failures.map(({ op }) => op.object),
      many.filter((object) => object.kind === "route" && !object.onlink),
    );
    assert.equal((await kernel.read({ ...SCOPE, kinds: ["route"] }, signal)).objects().length, 900);
  });
});

function route(subnet: string) {
  return {
    kind: "route",
    dev: DEV,
    dst: `${subnet}/24` as Prefix4,
    via: subnet as Ipv4,
    onlink: true,
    metric: 0,
    protocol: FLANNEL_PROTOCOL,
  } as const;
}
