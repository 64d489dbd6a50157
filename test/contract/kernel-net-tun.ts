// What every KernelNet does with TUN devices, which are not made as other links are. Part of the suite in kernel-net.ts.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { IfAddr, Prefix4 } from "../../src/base/ip.ts";
import { diff, type NetOp } from "../../src/net/diff.ts";
import { FLANNEL_PROTOCOL, type NetObject, type TunLink } from "../../src/net/objects.ts";
import type { NetScope, Plan } from "../../src/net/plan.ts";
import { ALL_KINDS, assertSame, create, type KernelFixture, openEach, remove, TUN } from "./kernel-net-fixture.ts";

const DEVICE: TunLink = {
  kind: "link",
  type: "tun",
  name: TUN,
  mtu: 1472,
  up: true,
  mac: null,
  persistent: true,
  multiQueue: false,
  alias: "flanneld /coreos.com/network",
  acceptLocal: true,
};
const ON_IT: readonly NetObject[] = [
  { kind: "address", dev: TUN, address: "10.5.1.0/32" as IfAddr },
  {
    kind: "route",
    dev: TUN,
    dst: "10.5.0.0/16" as Prefix4,
    via: null,
    onlink: false,
    metric: 0,
    protocol: FLANNEL_PROTOCOL,
  },
];
const SCOPE: NetScope = { families: ["ipv4"], devices: [TUN], routeDevices: [], kinds: ALL_KINDS };
const PLAN: Plan = { scope: SCOPE, want: [DEVICE, ...ON_IT], claims: ({ kind }) => kind !== "fdb", complete: true };

export function tunContract(open: () => Promise<KernelFixture>): void {
  const on = openEach(open);
  const { apply } = on;
  const objects = async () => (await on.fixture.kernel.read(SCOPE, on.signal)).objects();
  const replace = (previous: TunLink, object: TunLink): NetOp => ({ op: "replace", object, previous });
  const converge = async () => apply(...diff(PLAN, await objects()).ops);
  const indexOf = async () => {
    const { interfaces } = await on.fixture.kernel.underlayFacts(["ipv4"], on.signal);
    return interfaces.find(({ name }) => name === TUN)?.index;
  };

  describe("a TUN device", () => {
    it("is made with what is on it, in one go, and reads back field by field", async () => {
      await apply(...create(DEVICE, ...ON_IT));
      assertSame(await objects(), [DEVICE, ...ON_IT]);
      assertSame(
        (await on.fixture.kernel.links(on.signal)).filter(({ name }) => name === TUN),
        [DEVICE],
      );
    });

    it("can be made down, without an alias, and with what the kernel accepts by default", async () => {
      const plain = { ...DEVICE, up: false, alias: null, acceptLocal: false };
      await apply(...create(plain));
      assertSame(await objects(), [plain]);
    });

    it("can be made a second time, which changes nothing", async () => {
      await apply(...create(DEVICE, ...ON_IT));
      const before = await indexOf();
      await apply(...create(DEVICE, ...ON_IT));
      assertSame(await objects(), [DEVICE, ...ON_IT]);
      assert.equal(await indexOf(), before);
    });

    it("changes its MTU, its alias and what it accepts in place, and what is on it stays", async () => {
      await apply(...create(DEVICE, ...ON_IT));
      const before = await indexOf();
      const changed = { ...DEVICE, mtu: 1400, alias: "flanneld /other", acceptLocal: false };
      await apply(replace(DEVICE, changed));
      assertSame(await objects(), [changed, ...ON_IT]);
      assert.equal(await indexOf(), before);
    });

    it("that is down is set up, and one that is up can be set down", async () => {
      await apply(...create({ ...DEVICE, up: false }));
      await apply(replace({ ...DEVICE, up: false }, DEVICE));
      assertSame(await objects(), [DEVICE]);
      await apply(replace(DEVICE, { ...DEVICE, up: false }));
      assertSame(await objects(), [{ ...DEVICE, up: false }]);
    });

    it("that goes down loses its route and keeps its address", async () => {
      await apply(...create(DEVICE, ...ON_IT));
      await on.fixture.setUp(TUN, false);
      assertSame(await objects(), [{ ...DEVICE, up: false }, ...ON_IT.filter(({ kind }) => kind === "address")]);
      await converge();
      assertSame(await objects(), PLAN.want);
    });

    it("is deleted with everything on it, and can be deleted again", async () => {
      await apply(...create(DEVICE, ...ON_IT));
      await apply(...remove(DEVICE));
      assertSame(await objects(), []);
      await apply(...remove(DEVICE));
    });

    it("made by hand under its name is taken over in place: marked, set up, with our MTU", async () => {
      await on.fixture.addTun({ ...DEVICE, mtu: 1500, up: false, alias: null, acceptLocal: false });
      const before = await indexOf();
      await converge();
      assertSame(await objects(), PLAN.want);
      assert.equal(await indexOf(), before);
    });

    it("made by hand between reading and making is taken over, too", async () => {
      const { ops } = diff(PLAN, await objects());
      await on.fixture.addTun({ ...DEVICE, mtu: 1500, up: false, alias: null, acceptLocal: false });
      await apply(...ops);
      assertSame(await objects(), PLAN.want);
    });

    for (const [what, other] of [
      ["has several queues", { multiQueue: true }],
      ["goes with the process that has it", { persistent: false }],
    ] as const) {
      const stranger: TunLink = { ...DEVICE, mtu: 1500, up: false, alias: null, acceptLocal: false, ...other };

      it(`that ${what} reads back so, and is made anew where it is ours to make`, async () => {
        await on.fixture.addTun(stranger);
        assertSame(await objects(), [stranger]);
        await converge();
        assertSame(await objects(), PLAN.want);
      });

      it(`that ${what} and came between reading and making is not taken for ours`, async () => {
        const { ops } = diff(PLAN, await objects());
        await on.fixture.addTun(stranger);
        const [failure] = await on.fixture.kernel.apply(ops.slice(0, 1), on.signal);
        assert.equal(failure?.error.info.errno, "EEXIST");
        assertSame(await objects(), [stranger]);
      });
    }

    it("marked by another network's daemon between reading and making is not taken for ours", async () => {
      const theirs: TunLink = { ...DEVICE, mtu: 1500, up: false, acceptLocal: false, alias: "flanneld /other/network" };
      const { ops } = diff(PLAN, await objects());
      await on.fixture.addTun(theirs);
      const [failure] = await on.fixture.kernel.apply(ops.slice(0, 1), on.signal);
      assert.equal(failure?.error.info.errno, "EEXIST");
      assertSame(await objects(), [theirs]);
    });

    it("is not made where a link of another kind stands", async () => {
      const name = on.fixture.underlay;
      const [failure] = await on.fixture.kernel.apply(create({ ...DEVICE, name }), on.signal);
      assert.equal(failure?.error.info.errno, "EEXIST");
      const links = await on.fixture.kernel.links(on.signal);
      assert.ok(links.some((link) => link.name === name && link.type === "other"));
    });
  });
}
