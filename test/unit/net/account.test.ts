import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createAccountant, missingOf, repairsOf } from "../../../src/net/account.ts";
import type { NetOp } from "../../../src/net/diff.ts";
import { NOTHING_KNOWN } from "../../../src/net/pass.ts";
import { SOON, startReconciler, wanted } from "../../support/reconciling-host.ts";
import { PEER_A, PEER_B, planFor } from "../../support/vxlan-host.ts";

const PLAN = planFor([PEER_A, PEER_B]);

describe("the account of the reconciler", () => {
  it("has as many objects in the kernel as are planned, by kind, when all is well", async () => {
    await using host = startReconciler({ plan: PLAN });
    await host.clock.advance(SOON);
    const { desired, actual, readings, seconds, errors, last } = host.reconciler.account();
    assert.deepEqual(Object.fromEntries(desired), { link: 1, address: 1, fdb: 2, neighbour: 2, route: 2 });
    assert.deepEqual(actual, desired);
    assert.equal(seconds.count, host.reconciler.status().passes);
    assert.ok(readings > 0 && last !== null);
    assert.deepEqual([errors, host.reconciler.missing()], [[], []]);
  });

  it("names what is missing while it is, counts what the kernel refused, and forgets neither count", async () => {
    await using host = startReconciler({ plan: PLAN });
    host.kernel.failures.push({ matches: ({ object }) => object.kind === "fdb", errno: "ENOBUFS", times: 3 });
    await host.clock.advance(100);
    assert.deepEqual(
      host.reconciler.missing().map(({ kind }) => kind),
      ["fdb", "fdb"],
    );
    assert.equal(host.reconciler.account().actual.get("fdb"), undefined);
    await host.clock.advance(SOON);
    assert.deepEqual(host.reconciler.missing(), []);
    assert.deepEqual(host.reconciler.account().errors, [{ kind: "fdb", errno: "ENOBUFS", count: 3 }]);
    assert.equal(host.reconciler.account().actual.get("fdb"), 2);
  });

  it("gives the same list of what is missing for as long as it is that", async () => {
    await using host = startReconciler({ plan: PLAN });
    const refusal = { matches: ({ object }: NetOp) => object.kind === "fdb", errno: "ENOBUFS", times: 1e9 };
    host.kernel.failures.push(refusal);
    await host.clock.advance(SOON);
    const [missing, { passes }] = [host.reconciler.missing(), host.reconciler.status()];
    assert.equal(missing.length, 2);
    await host.clock.advance(SOON * 10);
    assert.ok(host.reconciler.status().passes > passes);
    assert.equal(host.reconciler.missing(), missing);
  });

  it("keeps the last repairs with their time, and no more than twenty", async () => {
    await using host = startReconciler({ plan: PLAN });
    await host.clock.advance(SOON);
    assert.deepEqual(host.reconciler.account().lastRepairs, []);
    host.kernel.externally([{ op: "delete", object: wanted(PLAN, "route") }]);
    await host.clock.advance(SOON);
    const [repair, ...others] = host.reconciler.account().lastRepairs;
    assert.deepEqual([repair?.op.op, repair?.op.object, others], ["create", wanted(PLAN, "route"), []]);
    assert.ok(repair && repair.at <= host.clock.now() && repair.at > host.clock.now() - SOON);
    const accountant = createAccountant();
    const object = wanted(PLAN, "route");
    const ops = Array.from({ length: 50 }, () => ({ op: "create" as const, object }));
    const result = { kind: "read" as const, plan: PLAN, knowledge: NOTHING_KNOWN, failures: [], blocked: [] };
    accountant.add({ ...result, ops, repair: true }, host.clock.now(), 0.5);
    accountant.add({ ...result, ops, repair: false }, host.clock.now(), 0.5);
    assert.equal(accountant.read(NOTHING_KNOWN).lastRepairs.length, 20);
    assert.deepEqual(repairsOf({ ...result, ops, repair: false }), []);
  });

  it("knows nothing to be missing before there was a plan", () => {
    assert.deepEqual(missingOf(NOTHING_KNOWN), []);
  });
});
