import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FAULTS } from "../../../soak/faults.ts";
import { planSchedule, type Step } from "../../../soak/schedule.ts";
import { seconds } from "../../../src/base/brand.ts";

const FAULTS_OF_TEST = ["a", "b", "c", "d", "e"].map((name) => ({ name, lasts: [seconds(1), seconds(3)] as const }));

function take(count: number, seed: number) {
  const steps: Step<(typeof FAULTS_OF_TEST)[number]>[] = [];
  for (const step of planSchedule(FAULTS_OF_TEST, 3, seed)) {
    if (steps.length === count) return steps;
    steps.push(step);
  }
  return steps;
}

describe("a schedule", () => {
  it("is the same from the same seed, and another from another", () => {
    assert.deepEqual(take(50, 7), take(50, 7));
    assert.notDeepEqual(take(50, 7), take(50, 8));
  });

  it("gives every fault its turn before one comes again, each time in another order", () => {
    const names = take(50, 7).map(({ fault }) => fault.name);
    const rounds = Array.from({ length: 10 }, (_, round) => names.slice(round * 5, round * 5 + 5));
    for (const round of rounds) assert.deepEqual(round.toSorted(), ["a", "b", "c", "d", "e"]);
    assert.ok(new Set(rounds.map(String)).size > 3);
  });

  it("hits every host, for times of the whole range", () => {
    const steps = take(500, 7);
    assert.deepEqual([...new Set(steps.map(({ host }) => host))].toSorted(), [0, 1, 2]);
    const durations = steps.map(({ duration }) => duration);
    assert.ok(Math.min(...durations) >= 1000 && Math.min(...durations) < 1100);
    assert.ok(Math.max(...durations) <= 3000 && Math.max(...durations) > 2900);
  });

  it("needs a fault", () => {
    assert.throws(() => planSchedule([], 3, 7).next(), /needs a fault/);
  });
});

describe("the faults", () => {
  it("have names of their own, and say what they do", () => {
    assert.equal(new Set(FAULTS.map(({ name }) => name)).size, FAULTS.length);
    for (const { name, summary, lasts } of FAULTS) {
      assert.match(name, /^[a-z]+(-[a-z]+)*$/);
      assert.ok(summary.length > 10 && lasts[0] <= lasts[1], name);
    }
  });

  it("cost no packet where the kernel carries them; with udp those of the daemon may", () => {
    for (const { name, mayLose } of FAULTS) {
      for (const backend of ["vxlan", "host-gw"]) assert.equal(mayLose(backend), null, name);
      assert.equal(mayLose("udp") !== null, name.startsWith("flanneld-"), name);
    }
  });
});
