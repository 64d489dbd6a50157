import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createVxlan } from "../../../src/backends/vxlan.ts";
import type { NetOp } from "../../../src/net/diff.ts";
import { BOOT_PROTOCOL, KERNEL_PROTOCOL, keyOf, type NetObject, type Route } from "../../../src/net/objects.ts";
import { type Knowledge, NOTHING_KNOWN, type PassResult, runPass } from "../../../src/net/pass.ts";
import type { Plan } from "../../../src/net/plan.ts";
import { createFakeKernel, type FakeKernel } from "../../fakes/fake-kernel.ts";
import { dualView } from "../../support/dual-stack.ts";
import { bareHost, PEER_A, PEER_B, planFor, routeVia } from "../../support/vxlan-host.ts";

const DEV6 = "flannel-v6.1";
const never = new AbortController().signal;

function startHost() {
  const kernel = createFakeKernel(bareHost("192.168.64.2"));
  const told: (string | null)[] = [];
  const deps = { kernel, onOwn: (trouble: string | null) => told.push(trouble) };
  return {
    kernel,
    told,
    pass: (kind: "read" | "delta", plan: Plan, known: Knowledge) => runPass(kind, plan, known, deps, never),
    /** Passes until one is clean. */
    async settle(plan: Plan): Promise<Knowledge> {
      const first = await runPass("read", plan, NOTHING_KNOWN, deps, never);
      const second = await runPass("read", plan, first.knowledge, deps, never);
      assert.deepEqual(second.ops, []);
      return second.knowledge;
    },
  };
}

function kinds({ ops }: PassResult): readonly string[] {
  return ops.map(({ op, object }) => `${op} ${object.kind}`);
}

function the(plan: Plan, kind: NetObject["kind"]): NetObject {
  const found = plan.want.find((object) => object.kind === kind);
  assert.ok(found);
  return found;
}

function refuse(kernel: FakeKernel, kind: NetObject["kind"]): void {
  kernel.failures.push({ matches: ({ object }) => object.kind === kind, errno: "EPERM", times: 1 });
}

describe("a pass", () => {
  it("makes its own device first, reads again, and then does the peers", async () => {
    const { kernel, told, pass } = startHost();
    const result = await pass("read", planFor([PEER_A]), NOTHING_KNOWN);
    assert.equal(kernel.readCount(), 2);
    assert.deepEqual(kinds(result), [
      "create link",
      "create address",
      "create fdb",
      "create neighbour",
      "create route",
    ]);
    assert.deepEqual(result.failures, []);
    assert.equal(told.length, 2);
    assert.equal(told[1], null);
    assert.equal(result.repair, false);
  });

  it("tries no peer when its own device is refused, and believes nothing afterwards", async () => {
    const { kernel, told, pass } = startHost();
    refuse(kernel, "link");
    const plan = planFor([PEER_A]);
    const result = await pass("read", plan, NOTHING_KNOWN);
    assert.deepEqual(kinds(result), ["create link", "create address"]);
    assert.match(told.at(-1) ?? "", /EPERM/);
    assert.deepEqual(result.knowledge, { ...NOTHING_KNOWN, attempted: plan });
  });

  it("has the other family's device, its peers and their repairs when the device of one is refused", async () => {
    const { kernel, told, pass } = startHost();
    const plan = createVxlan({}).plan(dualView());
    const isOf6 = (object: NetObject) => ("dev" in object ? object.dev : "name" in object && object.name) === DEV6;
    const refusal = { matches: ({ object }: NetOp) => isOf6(object), errno: "EPERM", times: Infinity };
    kernel.failures.push(refusal);
    const first = await pass("read", plan, NOTHING_KNOWN);
    const ipv4 = plan.want.filter((object) => !isOf6(object));
    assert.deepEqual(first.knowledge.holds, ipv4);
    assert.match(told.at(-1) ?? "", /flannel-v6\.1: EPERM/);
    assert.deepEqual(
      first.failures.map(({ op }) => op.object.kind),
      ["link", "address"],
    );
    const route = ipv4.filter(({ kind }) => kind === "route");
    await kernel.apply(
      route.map((object) => ({ op: "delete", object })),
      never,
    );
    const second = await pass("delta", plan, first.knowledge);
    assert.deepEqual([second.kind, second.repair, second.knowledge.holds], ["read", true, ipv4]);
    kernel.failures.length = 0;
    const third = await pass("read", plan, second.knowledge);
    assert.equal(told.at(-1), null);
    assert.deepEqual(third.knowledge.holds, plan.want);
  });

  it("works from what it knows without reading, when only peers changed", async () => {
    const { kernel, told, pass, settle } = startHost();
    const known = await settle(planFor([PEER_A]));
    const [reads, words] = [kernel.readCount(), told.length];
    const result = await pass("delta", planFor([PEER_A, PEER_B]), known);
    assert.equal(result.kind, "delta");
    assert.deepEqual(kinds(result), ["create fdb", "create neighbour", "create route"]);
    assert.equal(kernel.readCount(), reads);
    assert.equal(told.length, words);
    assert.equal(result.knowledge.verified, null);
  });

  it("reads although a delta would do, when the device itself has to change", async () => {
    const { kernel, pass, settle } = startHost();
    const plan = planFor([PEER_A]);
    const known = await settle(plan);
    const reads = kernel.readCount();
    const link = { ...the(plan, "link"), mtu: 1400 } as NetObject;
    const next = { ...plan, want: plan.want.map((object) => (object.kind === "link" ? link : object)) };
    const result = await pass("delta", next, known);
    assert.equal(result.kind, "read");
    assert.deepEqual(kinds(result), ["replace link"]);
    assert.equal(kernel.readCount(), reads + 2);
  });

  it("does not count among what the kernel holds what it refused", async () => {
    const { kernel, pass, settle } = startHost();
    const known = await settle(planFor([PEER_A]));
    const plan = planFor([PEER_A, PEER_B]);
    refuse(kernel, "fdb");
    const failed = await pass("delta", plan, known);
    assert.equal(failed.failures.length, 1);
    assert.equal(failed.knowledge.holds.length, plan.want.length - 1);
    const retried = await pass("read", plan, failed.knowledge);
    assert.deepEqual(kinds(retried), ["create fdb"]);
    assert.equal(retried.repair, false, "what was refused before was never there to be undone");
  });

  it("calls it a repair when something that was there is gone, or something is there that nobody planned", async () => {
    const { kernel, pass, settle } = startHost();
    const plan = planFor([PEER_A]);
    const known = await settle(plan);
    kernel.externally([{ op: "delete", object: the(plan, "fdb") }]);
    assert.equal((await pass("read", plan, known)).repair, true);
    kernel.externally([{ op: "create", object: the(planFor([PEER_B]), "fdb") }]);
    const tidied = await pass("read", plan, known);
    assert.deepEqual(kinds(tidied), ["delete fdb"]);
    assert.equal(tidied.repair, true);
    assert.equal((await pass("read", plan, known)).repair, false);
  });

  for (const [what, protocol] of [
    ["that the reading shows", BOOT_PROTOCOL],
    ["that it does not show", KERNEL_PROTOCOL],
  ] as const) {
    it(`takes the place back where somebody has put a route over ours ${what}`, async () => {
      const { kernel, pass, settle } = startHost();
      const plan = planFor([PEER_A]);
      const known = await settle(plan);
      const ours = the(plan, "route") as Route;
      const foreign: Route = { ...routeVia("192.168.64.9", ours.dst), via: null, protocol };
      kernel.externally([{ op: "replace", object: foreign, previous: ours }]);
      const result = await pass("read", plan, known);
      assert.deepEqual(result.ops, [{ op: "create", object: ours, retake: true }]);
      assert.deepEqual([result.failures, result.blocked, result.repair], [[], [], true]);
      assert.deepEqual((await pass("read", plan, result.knowledge)).ops, []);
      assert.ok(kernel.objects().includes(foreign), "it stays behind ours");
    });
  }

  it("takes no place back on a device that somebody else has in the place of ours", async () => {
    const { kernel, pass, settle } = startHost();
    const plan = planFor([PEER_A]);
    const known = await settle(plan);
    const unclaimed = { ...plan, claims: ({ kind }: NetObject) => kind !== "link" && kind !== "route" };
    kernel.externally([
      { op: "replace", object: { ...the(plan, "link"), mtu: 1300 } as NetObject, previous: the(plan, "link") },
      { op: "replace", object: { ...the(plan, "route"), via: null } as NetObject, previous: the(plan, "route") },
    ]);
    const result = await pass("read", unclaimed, known);
    assert.deepEqual([result.ops, result.blocked.length], [[], 2]);
  });

  it("reads instead of working from what it knows while something foreign stands in the way", async () => {
    const { kernel, pass } = startHost();
    kernel.externally([{ op: "create", object: { ...routeVia("192.168.64.9", PEER_A.subnet.v4), via: null } }]);
    const blocked = await pass("read", planFor([PEER_A]), NOTHING_KNOWN);
    assert.deepEqual(
      blocked.blocked.map(({ want }) => keyOf(want)),
      [keyOf(the(planFor([PEER_A]), "route"))],
    );
    assert.equal(blocked.knowledge.certain, false);
    const next = await pass("delta", planFor([PEER_A, PEER_B]), blocked.knowledge);
    assert.equal(next.kind, "read");
    assert.equal(next.blocked.length, 1);
  });

  it("reads after an incomplete plan, which left things in the kernel that it does not know of", async () => {
    const { pass, settle } = startHost();
    const known = await settle(planFor([PEER_A, PEER_B]));
    const partial = await pass("delta", planFor([PEER_A], { complete: false }), known);
    assert.deepEqual(partial.ops, []);
    const complete = await pass("delta", planFor([PEER_A]), partial.knowledge);
    assert.deepEqual(kinds(complete), ["delete route", "delete neighbour", "delete fdb"]);
  });

  it("says so when something foreign stands in the place of its own device", async () => {
    const { kernel, told, pass } = startHost();
    const plan = planFor([]);
    const unclaimed = { ...plan, claims: (object: NetObject) => object.kind !== "link" };
    const other = { ...the(plan, "link"), mtu: 1300 } as NetObject;
    kernel.externally([{ op: "create", object: other }]);
    const result = await pass("read", unclaimed, NOTHING_KNOWN);
    assert.match(told.at(-1) ?? "", /another link stands in the place of ours/);
    assert.equal(result.blocked.length, 1);
  });

  it("keeps the digest of a reading that equals the plan, and of no other", async () => {
    const { pass } = startHost();
    const plan = planFor([PEER_A]);
    const first = await pass("read", plan, NOTHING_KNOWN);
    assert.equal(first.knowledge.verified, null);
    const second = await pass("read", plan, first.knowledge);
    assert.equal(second.knowledge.verified?.plan, plan);
  });
});
