// What the contract suite of KernelNet talks about: a fixture to run it on, and a tunnel device with its peers.

import assert from "node:assert/strict";
import { afterEach, beforeEach } from "node:test";
import type { IfAddr, Ip, Ipv4, Prefix4 } from "../../src/base/ip.ts";
import type { Mac } from "../../src/base/mac.ts";
import type { NetOp } from "../../src/net/diff.ts";
import type { KernelNet } from "../../src/net/kernel-net.ts";
import {
  type Address,
  type FdbEntry,
  FLANNEL_PROTOCOL,
  type LinkName,
  type Neighbour,
  type NetKind,
  type NetObject,
  type Route,
  type TunLink,
  type VxlanLink,
} from "../../src/net/objects.ts";
import type { NetScope } from "../../src/net/plan.ts";

/**
 * A kernel with one interface `underlay`, which is up, has 192.168.77.1/24 and a default route via 192.168.77.254, and of
 * IPv6 fd77::1/64 and one via fd77::fe.
 */
export interface KernelFixture extends AsyncDisposable {
  readonly kernel: KernelNet;
  readonly underlay: LinkName;
  /** Somebody else's changes. */
  externally(ops: readonly NetOp[]): Promise<void>;
  setUp(dev: LinkName, up: boolean): Promise<void>;
  appendRoute(route: Route): Promise<void>;
  /** A TUN device that somebody else makes and, when it is not persistent, has; down, as the kernel makes it. */
  addTun(link: TunLink): Promise<void>;
}

export const DEV = "flannel.1" as LinkName;
export const TUN = "flannel0" as LinkName;
export const ALL_KINDS: readonly NetKind[] = ["link", "address", "route", "neighbour", "fdb"];
export const OWN: Address = { kind: "address", dev: DEV, address: "10.5.1.0/32" as IfAddr };

export function device(lower: LinkName): VxlanLink {
  return {
    kind: "link",
    type: "vxlan",
    name: DEV,
    mtu: 1450,
    up: true,
    mac: "02:00:00:00:01:00" as Mac,
    vni: 1,
    port: 8472,
    local: "192.168.77.1" as Ipv4,
    lower,
    learning: false,
    gbp: false,
    external: false,
    checksumOffload: true,
  };
}

export function peerMac(peer: number): Mac {
  return `02:00:00:00:02:${peer.toString(16).padStart(2, "0")}` as Mac;
}

export function neighbour(peer: number): Neighbour {
  return { kind: "neighbour", dev: DEV, ip: `10.5.${peer}.0` as Ip, mac: peerMac(peer) };
}

export function fdb(peer: number): FdbEntry {
  return { kind: "fdb", dev: DEV, mac: peerMac(peer), dst: `192.168.77.${peer}` as Ip };
}

export function tunnelRoute(peer: number): Route {
  return {
    kind: "route",
    dev: DEV,
    dst: `10.5.${peer}.0/24` as Prefix4,
    via: `10.5.${peer}.0` as Ip,
    onlink: true,
    metric: 0,
    protocol: FLANNEL_PROTOCOL,
  };
}

export function create(...objects: readonly NetObject[]): NetOp[] {
  return objects.map((object) => ({ op: "create", object }));
}

export function remove(...objects: readonly NetObject[]): NetOp[] {
  return objects.map((object) => ({ op: "delete", object }));
}

export function scopeOf(underlay: LinkName): NetScope {
  return { families: ["ipv4"], devices: [DEV], routeDevices: [underlay], kinds: ALL_KINDS };
}

/** Order within a kind is the kernel's. */
export function assertSame(actual: readonly NetObject[], expected: readonly NetObject[]): void {
  const text = (objects: readonly NetObject[]) =>
    objects.map((object) => JSON.stringify(Object.entries(object).toSorted())).toSorted();
  assert.deepEqual(text(actual), text(expected));
}

/** A fixture that is opened before each test and closed after it, and what is done on it. */
export function openEach(open: () => Promise<KernelFixture>) {
  let fixture: KernelFixture;
  let stop: AbortController;
  beforeEach(async () => {
    fixture = await open();
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await fixture[Symbol.asyncDispose]();
  });
  const read = (scope: NetScope = scopeOf(fixture.underlay)) => fixture.kernel.read(scope, stop.signal);
  return {
    get fixture() {
      return fixture;
    },
    /** Ends what is still awaited on the fixture. */
    get stop() {
      return stop;
    },
    get signal() {
      return stop.signal;
    },
    read,
    /** Without the fixture's own default route. */
    objects: async (scope?: NetScope) =>
      (await read(scope)).objects().filter((object) => object.kind !== "route" || object.dst !== "0.0.0.0/0"),
    apply: async (...ops: readonly NetOp[]) => {
      assert.deepEqual(await fixture.kernel.apply(ops, stop.signal), []);
    },
  };
}
