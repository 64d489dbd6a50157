import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Prefix4 } from "../../../src/base/ip.ts";
import { diff, diffHeld, type NetOp } from "../../../src/net/diff.ts";
import {
  FLANNEL_PROTOCOL,
  keyOf,
  type LinkName,
  type NetObject,
  sameObject,
  type VxlanLink,
} from "../../../src/net/objects.ts";
import type { Plan } from "../../../src/net/plan.ts";
import { planFor } from "../../support/vxlan-host.ts";

const DEV = "flannel.1" as LinkName;
const FOREIGN = "eth9" as LinkName;

function route(dst: string, via: string | null, dev = DEV): NetObject {
  return {
    kind: "route",
    dev,
    dst: dst as Prefix4,
    via: via as never,
    onlink: via !== null,
    metric: 0,
    protocol: FLANNEL_PROTOCOL,
  };
}

function neighbour(ip: string, mac: string): NetObject {
  return { kind: "neighbour", dev: DEV, ip: ip as never, mac: mac as never };
}

function planOf(want: readonly NetObject[], complete = true): Plan {
  return {
    scope: { families: ["ipv4"], devices: [DEV], routeDevices: [], kinds: ["route", "neighbour"] },
    want,
    claims: (object) => "dev" in object && object.dev === DEV,
    complete,
  };
}

describe("diff()", () => {
  it("creates what is missing and leaves alone what is equal", () => {
    const wanted = [route("10.5.1.0/24", "10.5.1.0"), route("10.5.2.0/24", "10.5.2.0")];
    const { ops } = diff(planOf(wanted), [route("10.5.1.0/24", "10.5.1.0")]);
    assert.deepEqual(ops, [{ op: "create", object: wanted[1] }]);
  });

  it("repairs a wrong gateway in place", () => {
    const wanted = route("10.5.1.0/24", "10.5.1.0");
    const wrong = route("10.5.1.0/24", "10.5.9.9");
    assert.deepEqual(diff(planOf([wanted]), [wrong]).ops, [{ op: "replace", object: wanted, previous: wrong }]);
  });

  it("keeps one equal member of a key and deletes the surplus", () => {
    const wanted = route("10.5.1.0/24", "10.5.1.0");
    const surplus = route("10.5.1.0/24", "10.5.9.9");
    assert.deepEqual(diff(planOf([wanted]), [surplus, wanted]).ops, [{ op: "delete", object: surplus }]);
  });

  it("touches nothing on a device that somebody else has made under the name of ours, and reports it", () => {
    const link = { kind: "link", type: "other", driver: "bridge", name: DEV, mtu: 1450, up: true, mac: null } as const;
    const ours: NetObject = { ...link, driver: "vxlan" };
    const elsewhere = route("10.5.4.0/24", "10.5.4.0", FOREIGN);
    const plan = planOf([ours, route("10.5.1.0/24", "10.5.1.0"), elsewhere]);
    const { ops, blocked } = diff(plan, [link, route("10.5.3.0/24", "10.5.3.0")]);
    assert.deepEqual(ops, [{ op: "create", object: elsewhere }]);
    assert.deepEqual(blocked, [{ want: ours, by: link }]);
  });

  it("deletes what is claimed and not wanted, when the plan is complete", () => {
    const stale = route("10.5.3.0/24", "10.5.3.0");
    assert.deepEqual(diff(planOf([]), [stale]).ops, [{ op: "delete", object: stale }]);
  });

  it("deletes nothing while the lease table is incomplete", () => {
    const stale = [route("10.5.3.0/24", "10.5.3.0"), neighbour("10.5.3.0", "02:00:00:00:00:03")];
    assert.deepEqual(diff(planOf([], false), stale).ops, []);
  });

  it("never names an unclaimed object, and reports one that stands in the way", () => {
    const wanted = route("10.5.1.0/24", "10.5.1.0");
    const foreign = route("10.5.1.0/24", "192.168.0.1", FOREIGN);
    const { ops, blocked } = diff(planOf([wanted]), [foreign, route("10.6.0.0/16", null, FOREIGN)]);
    assert.deepEqual(ops, []);
    assert.deepEqual(blocked, [{ want: wanted, by: foreign }]);
  });

  it("declares a neighbour before the route to it, and deletes in the reverse order", () => {
    const objects = [route("10.5.1.0/24", "10.5.1.0"), neighbour("10.5.1.0", "02:00:00:00:00:01")];
    const kinds = (ops: readonly NetOp[]) => ops.map(({ object }) => object.kind);
    assert.deepEqual(kinds(diff(planOf(objects), []).ops), ["neighbour", "route"]);
    assert.deepEqual(kinds(diff(planOf([]), objects).ops), ["route", "neighbour"]);
  });
});

describe("diffHeld()", () => {
  it("asks for what a plan leaves open no more, since nobody knows how it is, and for nothing that it leaves open now", () => {
    const [device] = planFor([]).want as [VxlanLink];
    const [open, off] = [device, { ...device, checksumOffload: false }];
    assert.equal(open.checksumOffload, null);
    assert.deepEqual(
      diffHeld(planFor([]), [off]).ops.filter(({ object }) => object.kind === "link"),
      [],
    );
    const { ops } = diffHeld({ ...planFor([]), want: [off] }, [open]);
    assert.deepEqual(ops, [{ op: "replace", object: off, previous: open }]);
  });

  it("says the same as a diff against the held objects", () => {
    fc.assert(
      fc.property(arbitraryObjects, arbitraryObjects, (held, want) => {
        const shared = want.map((object) => held.find((known) => sameObject(known, object)) ?? object);
        const plan = planOf(shared);
        assert.deepEqual(sorted(diffHeld(plan, held).ops), sorted(diff(plan, held).ops));
      }),
    );
  });
});

describe("applying a diff", () => {
  it("reaches a fixpoint and leaves unclaimed objects untouched", () => {
    fc.assert(
      fc.property(arbitraryObjects, arbitraryObjects, (want, actual) => {
        const foreign = route("192.168.7.0/24", null, FOREIGN);
        const after = applyTo([...actual, foreign], diff(planOf(want), [...actual, foreign]).ops);
        assert.deepEqual(diff(planOf(want), after).ops, []);
        assert.ok(after.includes(foreign));
      }),
    );
  });
});

const arbitraryObject = fc.oneof(
  fc
    .record({ subnet: fc.integer({ min: 1, max: 6 }), via: fc.integer({ min: 1, max: 3 }) })
    .map(({ subnet, via }) => route(`10.5.${subnet}.0/24`, `10.5.${via}.0`)),
  fc
    .record({ host: fc.integer({ min: 1, max: 6 }), mac: fc.integer({ min: 1, max: 3 }) })
    .map(({ host, mac }) => neighbour(`10.5.${host}.0`, `02:00:00:00:00:0${mac}`)),
);

/** Distinct keys, as plans and held sets have. */
const arbitraryObjects = fc.uniqueArray(arbitraryObject, { selector: keyOf, maxLength: 8 });

function applyTo(objects: readonly NetObject[], ops: readonly NetOp[]): readonly NetObject[] {
  let state = [...objects];
  for (const op of ops) {
    const gone = op.op === "replace" ? op.previous : op.op === "delete" ? op.object : null;
    state = state.filter((object) => object !== gone);
    if (op.op !== "delete") state.push(op.object);
  }
  return state;
}

function sorted(ops: readonly NetOp[]): readonly string[] {
  return ops.map((op) => JSON.stringify(op)).toSorted();
}
