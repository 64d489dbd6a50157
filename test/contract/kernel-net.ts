// What every KernelNet does. Run on the in-memory fake and on a real kernel, so that tests on the fake mean something.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { IfAddr, Ip, Prefix4 } from "../../src/base/ip.ts";
import type { Mac } from "../../src/base/mac.ts";
import { diff } from "../../src/net/diff.ts";
import { BOOT_PROTOCOL, KERNEL_PROTOCOL, type LinkName, type NetObject, type Route } from "../../src/net/objects.ts";
import type { Plan } from "../../src/net/plan.ts";
import { blackholeContract } from "./kernel-net-blackhole.ts";
import {
  assertSame,
  create,
  DEV,
  device,
  fdb,
  type KernelFixture,
  neighbour,
  OWN,
  openEach,
  remove,
  scopeOf,
  tunnelRoute,
} from "./kernel-net-fixture.ts";
import { hintsContract } from "./kernel-net-hints.ts";
import { ipv6Contract } from "./kernel-net-ipv6.ts";
import { offloadContract } from "./kernel-net-offload.ts";
import { routesContract } from "./kernel-net-routes.ts";
import { tunContract } from "./kernel-net-tun.ts";

export function kernelNetContract(name: string, open: () => Promise<KernelFixture>): void {
  describe(`KernelNet: ${name}`, () => {
    const on = openEach(open);
    const { apply, objects, read } = on;
    /** Our device with everything for these peers. */
    const tunnel = (...peers: readonly number[]): readonly NetObject[] => [
      device(on.fixture.underlay),
      OWN,
      ...peers.flatMap((peer) => [neighbour(peer), fdb(peer), tunnelRoute(peer)]),
    ];
    const withoutConnected = (found: readonly NetObject[]) =>
      found.filter((object) => object.kind !== "route" || object.protocol !== KERNEL_PROTOCOL);

    describe("reading", () => {
      it("finds nothing on a device that does not exist", async () => {
        assertSame(await objects(), []);
      });

      it("reads back what was made, field by field", async () => {
        await apply(...create(...tunnel(2, 3)));
        assertSame(await objects(), tunnel(2, 3));
      });

      it("reads the kinds that are asked for and no others", async () => {
        await apply(...create(...tunnel(2)));
        const scope = { ...scopeOf(on.fixture.underlay), kinds: ["neighbour", "fdb"] as const };
        assertSame(await objects(scope), [neighbour(2), fdb(2)]);
      });

      it("reads all routes of a device, and only inheritable ones of a route device", async () => {
        const { underlay } = on.fixture;
        const via = "192.168.77.9" as Ip;
        const ours: Route = { ...tunnelRoute(2), dev: underlay, via, onlink: false };
        const inherited: Route = { ...tunnelRoute(3), dev: underlay, via, onlink: false, protocol: BOOT_PROTOCOL };
        const foreign = { ...ours, dst: "10.9.0.0/24" as Prefix4, protocol: 186 as Route["protocol"] };
        await apply(...create(ours, inherited, foreign));
        const kinds = ["route"] as const;
        const narrow = await objects({ families: ["ipv4"], devices: [], routeDevices: [underlay], kinds });
        assertSame(narrow, [ours, inherited]);
        const wide = await objects({ families: ["ipv4"], devices: [underlay], routeDevices: [underlay], kinds });
        assertSame(withoutConnected(wide), [ours, inherited, foreign]);
      });

      it("has one digest for one state, however often and in whatever connection it is read", async () => {
        await apply(...create(...tunnel(2, 3)));
        const first = await read();
        const second = await read();
        assert.equal(first.digest, second.digest);
        assertSame(first.objects(), second.objects());
      });

      it("has another digest after each kind of change, and the old one when it is undone", async () => {
        await apply(...create(...tunnel(2)));
        const before = (await read()).digest;
        const changes: readonly NetObject[] = [
          { ...OWN, address: "10.5.7.0/32" as IfAddr },
          neighbour(7),
          fdb(7),
          tunnelRoute(7),
        ];
        for (const object of changes) {
          await apply(...create(object));
          assert.notEqual((await read()).digest, before, `${object.kind} was made`);
          await apply(...remove(object));
          assert.equal((await read()).digest, before, `${object.kind} was deleted`);
        }
      });

      it("lists all links", async () => {
        await apply(...create(device(on.fixture.underlay)));
        const links = await on.fixture.kernel.links(on.signal);
        assertSame(
          links.filter((link) => link.type === "vxlan"),
          [device(on.fixture.underlay)],
        );
        assert.ok(links.some((link) => link.name === on.fixture.underlay && link.type === "other"));
      });
    });

    describe("applying", () => {
      it("succeeds a second time and changes nothing", async () => {
        await apply(...create(...tunnel(2)));
        const { digest } = await read();
        await apply(...create(...tunnel(2)));
        assert.equal((await read()).digest, digest);
      });

      it("succeeds in deleting what is not there, also on a device that is not there", async () => {
        await apply(...remove(tunnelRoute(2), neighbour(2), fdb(2), OWN, device(on.fixture.underlay)));
        await apply(...create(device(on.fixture.underlay)));
        await apply(...remove(tunnelRoute(2), neighbour(2), fdb(2), OWN));
      });

      it("reports what was refused, by operation, and carries out the rest", async () => {
        const unreachable: Route = { ...tunnelRoute(4), onlink: false };
        const missing = { ...neighbour(5), dev: "flannel.9" as LinkName };
        const ops = create(...tunnel(2), unreachable, missing, neighbour(3));
        const failures = await on.fixture.kernel.apply(ops, on.signal);
        const refusalOf = (object: NetObject) => failures.find(({ op }) => op.object === object)?.error.info;
        assert.equal(failures.length, 2);
        assert.equal(refusalOf(unreachable)?.errno, "ENETUNREACH");
        assert.equal(refusalOf(missing)?.errno, "ENODEV");
        assert.equal(refusalOf(missing)?.op, "create neighbour 10.5.5.0 lladdr 02:00:00:00:02:05 dev flannel.9");
        assertSame(await objects(), [...tunnel(2), neighbour(3)]);
      });

      it("keeps the order: a device and what is on it can be made in one go, and deleted in one go", async () => {
        await apply(...create(...tunnel(2)));
        await apply(...remove(tunnelRoute(2), neighbour(2), fdb(2), OWN, device(on.fixture.underlay)));
        assertSame(await objects(), []);
      });

      it("changes a peer's MAC and underlay address in place", async () => {
        await apply(...create(...tunnel(2)));
        const moved = { ...fdb(2), dst: "192.168.77.99" as Ip };
        const remade = { ...neighbour(2), mac: "02:00:00:00:09:09" as Mac };
        await apply(
          { op: "replace", object: moved, previous: fdb(2) },
          { op: "replace", object: remade, previous: neighbour(2) },
        );
        assertSame(await objects(), [device(on.fixture.underlay), OWN, moved, remade, tunnelRoute(2)]);
      });

      it("changes the mtu of a link in place, and what is on it stays", async () => {
        await apply(...create(...tunnel(2)));
        const changed = { ...device(on.fixture.underlay), mtu: 1400 };
        await apply({ op: "replace", object: changed, previous: device(on.fixture.underlay) });
        assertSame(await objects(), [changed, ...tunnel(2).slice(1)]);
      });

      it("changes the MAC of a link in place, which takes its neighbours away", async () => {
        await apply(...create(...tunnel(2)));
        const changed = { ...device(on.fixture.underlay), mac: "02:00:00:00:0a:0a" as Mac };
        await apply({ op: "replace", object: changed, previous: device(on.fixture.underlay) });
        assertSame(await objects(), [changed, OWN, fdb(2), tunnelRoute(2)]);
      });

      it("sets a link that is down up", async () => {
        const down = { ...device(on.fixture.underlay), up: false };
        await apply(...create(down));
        assertSame(await objects(), [down]);
        await apply({ op: "replace", object: device(on.fixture.underlay), previous: down });
        assertSame(await objects(), [device(on.fixture.underlay)]);
      });

      it("makes a link anew when what differs is fixed at creation", async () => {
        await apply(...create(...tunnel(2)));
        const changed = { ...device(on.fixture.underlay), port: 4789 };
        await apply({ op: "replace", object: changed, previous: device(on.fixture.underlay) }, ...create(OWN));
        assertSame(await objects(), [changed, OWN]);
      });

      it("leaves a link as it is that would be made anew on one that does not exist", async () => {
        await apply(...create(...tunnel(2)));
        const moved = { ...device("none0" as LinkName), port: 4789 };
        const failures = await on.fixture.kernel.apply(
          [{ op: "replace", object: moved, previous: device(on.fixture.underlay) }],
          on.signal,
        );
        assert.deepEqual(
          failures.map(({ error }) => error.info.errno),
          ["ENODEV"],
        );
        assertSame(await objects(), tunnel(2));
      });

      it("refuses to make a link where another one stands, and accepts an equal one", async () => {
        await apply(...create(device(on.fixture.underlay)));
        const failures = await on.fixture.kernel.apply(
          create({ ...device(on.fixture.underlay), port: 4789 }),
          on.signal,
        );
        assert.deepEqual(
          failures.map(({ error }) => error.info.errno),
          ["EEXIST"],
        );
        await apply(...create(device(on.fixture.underlay)));
      });
    });

    describe("a device", () => {
      it("that goes down loses routes and neighbours and keeps forwarding entries and addresses", async () => {
        await apply(...create(...tunnel(2)));
        await on.fixture.setUp(DEV, false);
        assertSame(await objects(), [{ ...device(on.fixture.underlay), up: false }, OWN, fdb(2)]);
      });

      it("that is deleted takes everything on it", async () => {
        await apply(...create(...tunnel(2)));
        await on.fixture.externally(remove(device(on.fixture.underlay)));
        await apply(...create(device(on.fixture.underlay)));
        assertSame(await objects(), [device(on.fixture.underlay)]);
      });

      it("goes with the underlay", async () => {
        await apply(...create(...tunnel(2)));
        const links = await on.fixture.kernel.links(on.signal);
        await on.fixture.externally(remove(...links.filter(({ name }) => name === on.fixture.underlay)));
        assertSame(await objects(), []);
      });
    });

    it("reaches the plan in one pass of diff and apply, from whatever it finds, and leaves the unclaimed alone", async () => {
      const { underlay } = on.fixture;
      const foreign: Route = { ...tunnelRoute(200), protocol: KERNEL_PROTOCOL };
      await apply(...create(...tunnel(2, 3), { ...fdb(4), dst: "192.168.77.250" as Ip }, foreign));
      await on.fixture.appendRoute({ ...tunnelRoute(2), via: "10.5.3.0" as Ip });
      const plan: Plan = {
        scope: scopeOf(underlay),
        want: tunnel(2, 4),
        claims: (object) => object.kind !== "route" || (object.dev === DEV && object.protocol !== KERNEL_PROTOCOL),
        complete: true,
      };
      await apply(...diff(plan, await objects()).ops);
      const after = await objects();
      assert.deepEqual(diff(plan, after).ops, []);
      assertSame(after, [...tunnel(2, 4), foreign]);
    });
  });

  describe(`KernelNet: ${name}: replacing a route`, () => routesContract(open));
  describe(`KernelNet: ${name}: others`, () => hintsContract(open));
  describe(`KernelNet: ${name}: blackhole routes`, () => blackholeContract(open));
  describe(`KernelNet: ${name}: IPv6`, () => ipv6Contract(open));
  describe(`KernelNet: ${name}: TUN`, () => tunContract(open));
  describe(`KernelNet: ${name}: checksums`, () => offloadContract(open));
}
