import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { millis } from "../../../src/base/brand.ts";
import { afterPass, duePass, FIGHT_LIMIT, FIRST_AGENDA, hinted } from "../../../src/net/agenda.ts";
import type { NetOp } from "../../../src/net/diff.ts";
import type { LinkName } from "../../../src/net/objects.ts";
import { NOTHING_KNOWN, type PassResult } from "../../../src/net/pass.ts";
import type { Plan } from "../../../src/net/plan.ts";
import { RECONCILE_DEFAULTS as DEFAULTS } from "../../../src/net/reconciler.ts";

const PLAN: Plan = {
  scope: { families: ["ipv4"], devices: [], routeDevices: [], kinds: [] },
  want: [],
  claims: () => true,
  complete: true,
};
const OP: NetOp = {
  op: "create",
  object: { kind: "fdb", dev: "flannel.1" as LinkName, mac: "02:00:00:00:00:01" as never, dst: "10.0.0.1" as never },
};

function result(changes: Partial<PassResult>): PassResult {
  const base = {
    kind: "read",
    plan: PLAN,
    knowledge: NOTHING_KNOWN,
    ops: [],
    failures: [],
    blocked: [],
    repair: false,
  };
  return { ...base, ...changes } as PassResult;
}

describe("the agenda", () => {
  it("reads first, then works on changes of the plan without reading", () => {
    assert.equal(duePass(FIRST_AGENDA, PLAN, null, 0), "read");
    const clean = afterPass(FIRST_AGENDA, result({}), 0, null, DEFAULTS);
    assert.equal(duePass(clean, PLAN, PLAN, 1), null);
    assert.equal(duePass(clean, { ...PLAN }, PLAN, 1), "delta");
    assert.equal(duePass(clean, PLAN, PLAN, DEFAULTS.resync), "read");
  });

  it("verifies changes by a reading, which a stream of further changes puts off only so far", () => {
    let agenda = afterPass(FIRST_AGENDA, result({}), 0, null, DEFAULTS);
    const delta = result({ kind: "delta", ops: [OP] });
    agenda = afterPass(agenda, delta, 1000, null, DEFAULTS);
    assert.equal(agenda.readAt, 1000 + DEFAULTS.verify);
    for (const now of [1200, 1400, 1600, 1800]) agenda = afterPass(agenda, delta, now, null, DEFAULTS);
    assert.equal(agenda.readAt, 1000 + DEFAULTS.verifyLatest);
  });

  it("reads at once when somebody else changed the kernel", () => {
    const clean = afterPass(FIRST_AGENDA, result({}), 0, null, DEFAULTS);
    assert.equal(duePass(hinted(clean, 10), PLAN, PLAN, 10), "read");
  });

  it("waits out the retry delay after a failure", () => {
    const failed = afterPass(FIRST_AGENDA, result({ ops: [OP] }), 100, millis(200), DEFAULTS);
    assert.equal(duePass(failed, PLAN, PLAN, 250), null);
    assert.equal(duePass(failed, PLAN, PLAN, 300), "read");
  });

  it("races an agent that undoes the same plan less and less often, until a reading is clean", () => {
    const undone = result({ ops: [OP], repair: true });
    let agenda = FIRST_AGENDA;
    const waits: number[] = [];
    for (let fight = 0; fight < FIGHT_LIMIT + 10; fight++) {
      agenda = afterPass(agenda, undone, 0, null, DEFAULTS);
      waits.push(agenda.readAt);
    }
    assert.deepEqual(waits.slice(FIGHT_LIMIT, FIGHT_LIMIT + 2), [2 * DEFAULTS.verify, 4 * DEFAULTS.verify]);
    assert.equal(waits.at(-1), DEFAULTS.resync);
    assert.equal(duePass(hinted(agenda, 5), PLAN, PLAN, 5), null);
    agenda = afterPass(agenda, result({}), 100, null, DEFAULTS);
    assert.equal(duePass(hinted(agenda, 105), PLAN, PLAN, 105), "read");
  });

  it("does not take somebody who changes one thing after the other for such an agent", () => {
    let agenda = FIRST_AGENDA;
    for (let n = 10; n < 30; n++) {
      const object = { ...OP.object, mac: `02:00:00:00:00:${n}` } as NetOp["object"];
      agenda = afterPass(agenda, result({ ops: [{ op: "create", object }], repair: true }), 0, null, DEFAULTS);
      assert.equal(agenda.readAt, DEFAULTS.verify);
    }
    assert.equal(agenda.fights, 0);
  });
});
