import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FAULTS } from "../../../soak/faults.ts";
import { planSchedule, type Step } from "../../../soak/schedule.ts";
import { BACKEND_TYPES } from "../../../src/backends/registry.ts";
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

  const ofKinds = (...kinds: readonly string[]) => FAULTS.filter(({ kind }) => kinds.includes(kind));
  const BACKENDS = ["vxlan", "host-gw", "udp"] as const;

  it("of etcd cost no packet, and those of a daemon and its files only with udp, where it carries them", () => {
    for (const { name, mayLose } of ofKinds("etcd", "files")) {
      for (const backend of ["vxlan", "host-gw"]) assert.equal(mayLose(backend), null, name);
    }
    for (const { name, mayLose } of ofKinds("etcd")) assert.equal(mayLose("udp"), null, name);
    const daemon = ofKinds("flanneld").filter(({ name }) => name.startsWith("flanneld-"));
    assert.ok(daemon.length > 4);
    for (const { name, mayLose } of daemon) {
      assert.deepEqual([mayLose("vxlan"), mayLose("host-gw")], [null, null], name);
      assert.equal(mayLose("udp") !== null, name !== "flanneld-twice", name);
    }
  });

  it("of the kernel, the underlay and the firewall cost what is sent within a second, but where nobody can do better", () => {
    const slower = ofKinds("kernel", "underlay", "firewall").filter(({ mayLose, backends = BACKENDS }) =>
      backends.some((backend) => (mayLose(backend) ?? 0) > 1000),
    );
    assert.deepEqual(
      slower.map(({ name }) => name),
      ["fought-over", "link-mtu", "address-changed"],
    );
  });

  it("that flanneld mends meanwhile last longer than they may cost, or are undone at once", () => {
    for (const { name, lasts, mayLose, mendedMeanwhile } of FAULTS) {
      if (mendedMeanwhile && lasts[1] > 0) assert.ok(lasts[0] > (mayLose("vxlan") ?? 0), name);
    }
  });

  it("say with what they can happen in names that there are", () => {
    for (const { name, backends = BACKENDS } of FAULTS) {
      assert.ok(backends.length > 0 && backends.every((backend) => BACKEND_TYPES.includes(backend)), name);
    }
  });
});
