// What can happen to a cluster, as a list of things of which the simulation draws one after the other.

import type { IfAddr, Ip } from "../../src/base/ip.ts";
import type { Mac } from "../../src/base/mac.ts";
import type { Random } from "../../src/base/random.ts";
import {
  FLANNEL_PROTOCOL,
  type Link,
  type LinkName,
  type NetObject,
  type Route,
  type RouteProtocol,
} from "../../src/net/objects.ts";
import { leaseOf } from "../support/leases.ts";
import { FLANNEL0 } from "../support/udp-host.ts";
import { ETH0, FLANNEL1, routeVia } from "../support/vxlan-host.ts";
import { BACKENDS, type Host, type World } from "./world.ts";

export interface Mischief {
  readonly name: string;
  readonly weight: number;
  readonly run: (world: World, host: Host, random: Random) => void | Promise<void>;
}

const MISCHIEF: readonly Mischief[] = [
  // Hosts.
  { name: "start", weight: 6, run: (_, host) => host.start() },
  { name: "stop", weight: 2, run: (_, host) => host.stop() },
  { name: "leave", weight: 1, run: leave },
  { name: "backend switched", weight: 1, run: switchBackend },
  // Other hosts' records, and what operators do to ours.
  { name: "foreign peer put", weight: 6, run: putPeer },
  { name: "foreign peer removed", weight: 3, run: removePeer },
  { name: "record that is no lease", weight: 1, run: ({ store }) => store.putBad({ key: "foo", reason: "no subnet" }) },
  { name: "own record deleted", weight: 1, run: ({ store }, host) => onRecord(host, ({ key }) => store.delete(key)) },
  { name: "own record rewritten", weight: 1, run: (world, host, random) => rewrite(world, host, host.ip, random) },
  { name: "own record taken", weight: 1, run: (world, host, random) => rewrite(world, host, "192.168.64.99", random) },
  { name: "lease lapses", weight: 2, run: lapse },
  { name: "lease lapses and another host has it", weight: 3, run: leaseLapsed },
  { name: "all records gone", weight: 1, run: deleteAll },
  // The store.
  { name: "cut off from the store", weight: 3, run: (_, { way }) => way.cut() },
  { name: "reaches the store again", weight: 3, run: (_, { way }) => way.mend() },
  { name: "store away", weight: 2, run: ({ store }) => store.disconnect() },
  { name: "store back", weight: 3, run: ({ store }) => store.connect() },
  { name: "history compacted", weight: 2, run: ({ store }) => store.compact() },
  { name: "events late", weight: 1, run: ({ store }) => store.holdEvents() },
  { name: "events delivered", weight: 2, run: ({ store }) => store.releaseEvents() },
  { name: "watch loses events", weight: 2, run: toggle("blind") },
  // Time.
  { name: "the machines sleep", weight: 1, run: ({ clock }, _, random) => clock.suspend(random.integer(0, 7_200_000)) },
  { name: "the clock is set", weight: 1, run: ({ clock }, _, random) => clock.setWallClock(random.integer(-7e6, 7e6)) },
  // The kernel.
  { name: "objects deleted", weight: 5, run: deleteSome },
  { name: "objects changed", weight: 4, run: changeSome },
  { name: "objects added", weight: 3, run: addStray },
  { name: "device deleted", weight: 2, run: (_, host) => onDevice(host, (object) => ({ op: "delete", object })) },
  { name: "underlay flaps", weight: 2, run: flapUnderlay },
  { name: "device down", weight: 2, run: (_, host) => host.kernel.setUp(deviceOf(host), false) },
  { name: "foreign route added", weight: 3, run: addForeign },
  { name: "foreign route removed", weight: 2, run: removeForeign },
  { name: "operations refused", weight: 4, run: refuse },
  { name: "hints lost", weight: 2, run: toggle("deaf") },
  { name: "receive buffer overrun", weight: 1, run: (_, { kernel }) => kernel.overrun() },
];

/** One of the list, by weight. */
export function drawMischief(random: Random): Mischief {
  let left = random.integer(
    1,
    MISCHIEF.reduce((sum, { weight }) => sum + weight, 0),
  );
  for (const mischief of MISCHIEF) {
    left -= mischief.weight;
    if (left <= 0) return mischief;
  }
  throw new Error("unreachable: the weights add up");
}

export function pick<T>(items: readonly T[], random: Random): T | undefined {
  return items[random.integer(0, items.length - 1)];
}

async function leave({ store }: World, host: Host): Promise<void> {
  await host.stop();
  host.member = false;
  onRecord(host, ({ key }) => store.delete(key));
}

function switchBackend(world: World, _: Host, random: Random): void {
  const others = BACKENDS.filter((type) => type !== world.backend());
  const next = pick(others, random);
  if (next) world.switchBackend(next);
}

/** Few subnets, MACs and addresses, so that they meet: records are changed, and two announce one MAC. */
function putPeer({ store, backend }: World, _: Host, random: Random): void {
  const subnet = `10.5.${random.integer(240, 246)}.0/24`;
  const taken = store.leases().find((lease) => lease.subnet.v4 === subnet);
  const publicIp = `192.168.64.${random.integer(100, 104)}`;
  if (taken && !isForeignPeer(taken.attrs.publicIp)) return;
  store.put(leaseOf({ subnet, publicIp, ...announced(backend(), `02:00:00:00:01:0${random.integer(0, 9)}`) }));
}

function removePeer({ store }: World, _: Host, random: Random): void {
  const lease = pick(
    store.leases().filter(({ attrs }) => isForeignPeer(attrs.publicIp)),
    random,
  );
  if (lease) store.delete(lease.key);
}

function isForeignPeer(ip: string): boolean {
  const last = Number(ip.split(".")[3]);
  return last >= 99 && last <= 104;
}

function onRecord(host: Host, act: (record: NonNullable<ReturnType<Host["record"]>>) => void): void {
  const record = host.record();
  if (record) act(record);
}

/** What a host with this backend has in its record. */
function announced(backendType: string, mac: string) {
  if (backendType === "vxlan") return { backendType, mac };
  return { backendType: backendType === "udp" ? "" : backendType, backendData: null };
}

function rewrite({ store, backend }: World, host: Host, publicIp: string, random: Random): void {
  const mac = `02:00:00:00:02:0${random.integer(0, 9)}`;
  const written = announced(backend(), mac);
  onRecord(host, ({ subnet }) => void store.put(leaseOf({ subnet: subnet.v4, publicIp, ...written })));
}

function deleteAll({ store }: World): void {
  for (const { key } of store.leases()) store.delete(key);
}

/** A record ends only because its host cannot renew it. */
function lapse({ store }: World, host: Host): void {
  if (host.way.isCut()) onRecord(host, ({ key }) => store.delete(key));
}

/** While a host cannot renew its lease, another is installed anew that has its subnet from an old backup. */
async function leaseLapsed(world: World, host: Host): Promise<void> {
  const subnet = host.holds();
  const heir = world.hosts.find((other) => other !== host);
  if (subnet === null || !heir) return;
  host.way.cut();
  onRecord(host, ({ key }) => world.store.delete(key));
  await leave(world, heir);
  heir.way.mend();
  heir.writeSubnetFile(`FLANNEL_SUBNET=${subnet}\n`);
  heir.start();
}

function toggle(what: "deaf" | "blind"): Mischief["run"] {
  return (_, host) => {
    host[what] = !host[what];
  };
}

/** What is on our device, the device itself left out, and our routes through others. */
function overlayObjects({ kernel }: Host): readonly NetObject[] {
  const isOurs = (object: NetObject) => object.kind === "route" && object.protocol === FLANNEL_PROTOCOL;
  const isOn = (dev: string) => dev === FLANNEL0 || dev === FLANNEL1;
  return kernel.objects().filter((object) => ("dev" in object && isOn(object.dev)) || isOurs(object));
}

/** The one that the host has, or would have with vxlan. */
function deviceOf({ kernel }: Host): LinkName {
  return kernel.objects().find((object): object is Link => isDevice(object))?.name ?? FLANNEL1;
}

function deleteSome(_: World, host: Host, random: Random): void {
  for (let count = random.integer(1, 4); count > 0; count--) {
    const object = pick(overlayObjects(host), random);
    if (object) host.kernel.externally([{ op: "delete", object }]);
  }
}

function changeSome(_: World, host: Host, random: Random): void {
  const object = pick([...overlayObjects(host), ...host.kernel.objects().filter(isDevice)], random);
  if (object) host.kernel.externally([{ op: "replace", object: changed(object, random), previous: object }]);
}

function isDevice(object: NetObject): boolean {
  return object.kind === "link" && (object.name === FLANNEL0 || object.name === FLANNEL1);
}

function changed(object: NetObject, random: Random): NetObject {
  const mac = `02:00:00:00:03:0${random.integer(0, 9)}` as Mac;
  switch (object.kind) {
    case "link":
      if (object.type === "tun")
        return random.integer(0, 1) === 0 ? { ...object, mtu: 1400 } : { ...object, alias: "x" };
      return random.integer(0, 1) === 0 ? { ...object, mtu: 1400 } : { ...object, mac };
    case "address":
    case "blackhole":
      return object;
    case "route":
      return { ...object, via: (object.onlink ? "10.5.200.0" : "192.168.64.250") as Ip };
    case "neighbour":
      return { ...object, mac };
    case "fdb":
      return { ...object, dst: "192.168.64.250" as Ip };
  }
}

function addStray(_: World, host: Host, random: Random): void {
  const n = random.integer(0, 3);
  const mac = `02:00:00:00:04:0${n}` as Mac;
  const dev = deviceOf(host);
  const strays: readonly NetObject[] = [
    { ...routeVia("10.5.210.0", `10.5.21${n}.0/24`), dev, onlink: true },
    routeVia("192.168.64.210", `10.5.21${n}.0/24`),
    { ...routeVia("192.168.64.210", `10.5.21${n}.0/24`), protocol: FLANNEL_PROTOCOL },
    { kind: "neighbour", dev, ip: `10.5.21${n}.0` as Ip, mac },
    { kind: "fdb", dev, mac, dst: "192.168.64.251" as Ip },
    { kind: "address", dev, address: `10.9.${n}.1/32` as IfAddr },
  ];
  const stray = pick(strays, random);
  if (stray) host.kernel.externally([{ op: "create", object: stray }]);
}

function onDevice(host: Host, change: (device: NetObject) => { readonly op: "delete"; readonly object: NetObject }) {
  const device = host.kernel.objects().find(isDevice);
  if (device) host.kernel.externally([change(device)]);
}

/** Down and up again. Kernel: that takes the routes; the host's own configuration puts the default route back. */
function flapUnderlay(_: World, { kernel, foreign }: Host): void {
  kernel.setUp(ETH0, false);
  kernel.setUp(ETH0, true);
  foreign.clear();
  kernel.externally([{ op: "create", object: routeVia("192.168.64.1", "0.0.0.0/0") }]);
}

/** `ip route add` with protocol *static*. */
const STATIC_PROTOCOL = 4 as RouteProtocol;

/** Somewhere else, or in the place of a peer's route; with a gateway there only what nobody could take for flannel's. */
function addForeign(_: World, host: Host, random: Random): void {
  const inPlace = `10.5.${random.integer(240, 246)}.0/24`;
  const routes: readonly Route[] = [
    routeVia("192.168.64.1", `10.77.${random.integer(0, 3)}.0/24`),
    { ...routeVia("192.168.64.1", inPlace), protocol: STATIC_PROTOCOL },
    { ...routeVia("192.168.64.1", inPlace), via: null },
  ];
  const route = pick(routes, random);
  if (!route || [...host.foreign].some((other) => other.dst === route.dst)) return;
  host.kernel.externally([{ op: "create", object: route }]);
  if (host.kernel.objects().includes(route)) host.foreign.add(route);
}

function removeForeign(_: World, host: Host, random: Random): void {
  const route = pick([...host.foreign], random);
  if (!route) return;
  host.kernel.externally([{ op: "delete", object: route }]);
  host.foreign.delete(route);
}

function refuse(_: World, { kernel }: Host, random: Random): void {
  const kind = pick(["link", "address", "route", "neighbour", "fdb"] as const, random);
  const errno = pick(["ENOBUFS", "ENODEV", "EINVAL", "EPERM"], random) ?? "EINVAL";
  kernel.failures.push({ matches: ({ object }) => object.kind === kind, errno, times: random.integer(1, 4) });
}
