import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ratioOf, spreadOf, summarise } from "../../../bench/datapath/figures.ts";
import { toJson } from "../../../bench/datapath/json.ts";
import { exitStatus, judge } from "../../../bench/datapath/targets.ts";
import type { Verdict } from "../../../bench/tables.ts";
import { measured, troubled } from "./results.ts";

const tcp = (...values: readonly number[]) => values.map((tcpGigabitsPerSecond) => ({ tcpGigabitsPerSecond }));
const NOT_BUILT = { kind: "not built", reason: "the backend udp is not built" } as const;

describe("spreadOf", () => {
  it("is the median and both ends", () => {
    assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, low: 1, high: 3 });
    assert.deepEqual(spreadOf([4, 1]), { median: 2.5, low: 1, high: 4 });
    assert.equal(spreadOf([]), null);
  });
});

describe("ratioOf", () => {
  it("compares within a round, so that a slow round of the machine changes nothing", () => {
    const [udp, vxlan] = [measured("udp", ...tcp(8, 0.8, 4)), measured("vxlan", ...tcp(10, 1, 5))];
    assert.deepEqual(ratioOf(udp, vxlan, "tcpGigabitsPerSecond"), { median: 0.8, low: 0.8, high: 0.8 });
  });

  it("leaves out rounds that one of both has not", () => {
    const vxlan = measured("vxlan", ...tcp(10, 10));
    const udp = { ...measured("udp", ...tcp(5)), rounds: [null, ...measured("udp", ...tcp(5)).rounds] };
    assert.deepEqual(ratioOf(udp, vxlan, "tcpGigabitsPerSecond"), { median: 0.5, low: 0.5, high: 0.5 });
    assert.equal(ratioOf(troubled("udp", NOT_BUILT), vxlan, "tcpGigabitsPerSecond"), null);
    assert.equal(ratioOf(null, vxlan, "tcpGigabitsPerSecond"), null);
  });
});

describe("summarise", () => {
  it("is over the rounds that were measured", () => {
    assert.deepEqual(summarise(measured("udp", ...tcp(1, 2, 9)), "tcpGigabitsPerSecond"), {
      median: 2,
      low: 1,
      high: 9,
    });
    assert.equal(summarise(troubled("udp", NOT_BUILT), "tcpGigabitsPerSecond"), null);
  });
});

describe("judge", () => {
  const find = (verdicts: readonly Verdict[], pattern: RegExp) => {
    const found = verdicts.find(({ target }) => pattern.test(target));
    assert.ok(found, `a target ${pattern}`);
    return found;
  };

  it("holds udp's stream against vxlan's of the same round", () => {
    const outcome = (speed: number) =>
      find(judge([measured("udp", ...tcp(speed)), measured("vxlan", ...tcp(10))], false), /one TCP stream/).outcome;
    assert.deepEqual([outcome(8), outcome(7.9)], ["met", "missed"]);
  });

  it("takes a daemon's path for as fast as the one by hand when one round shows it", () => {
    const verdict = (...speeds: readonly number[]) => {
      const byHand = measured("vxlan by hand", ...speeds.map(() => ({ tcpGigabitsPerSecond: 10 })));
      return find(judge([measured("vxlan", ...tcp(...speeds)), byHand], false), /by hand/);
    };
    assert.equal(verdict(9.6).outcome, "met");
    assert.equal(verdict(9, 9.1, 9.2).outcome, "missed");
    assert.deepEqual(verdict(9, 9.1, 10.1), {
      target: "vxlan: one TCP stream at least 0.95 times vxlan by hand",
      outcome: "met",
      detail: "0.91 (0.90 to 1.01), which is within the noise",
      information: null,
    });
  });

  it("allows udp's round trip half as much again as vxlan's and 40 µs", () => {
    const outcome = (rttP50: number) => {
      const results = [measured("udp", { rttP50 }), measured("vxlan", { rttP50: 20 })];
      return find(judge(results, false), /round trip/);
    };
    assert.equal(outcome(70).outcome, "met");
    assert.equal(outcome(71).outcome, "missed");
    assert.equal(outcome(71).detail, "71 µs, at most 70 µs");
  });

  it("compares packets with PEER's, and without one with published figures, which decides nothing", () => {
    const udp = measured("udp", { udp1400Received: 64_000 });
    const peer = measured("udp PEER", { udp1400Received: 16_000 });
    assert.equal(find(judge([udp, peer], true), /1,400-byte/).outcome, "met");
    const alone = find(judge([udp], false), /1,400-byte/);
    assert.equal(alone.outcome, "unknown");
    assert.equal(alone.detail, "no PEER was given");
    assert.match(alone.information ?? "", /this run received 4\.0 times the 16,000\/s/);
  });

  it("says what was not measured, and is silent about what was not asked for", () => {
    const verdicts = judge([troubled("udp", NOT_BUILT), measured("vxlan", {})], false);
    assert.deepEqual(find(verdicts, /udp: one TCP/).detail, "not measured: udp");
    assert.ok(verdicts.every(({ target }) => !target.includes("by hand")));
  });
});

describe("exitStatus", () => {
  it("is 1 for a missed target, 2 for a failure, and 0 for a backend that is not built", () => {
    const status = (results: Parameters<typeof judge>[0]) => exitStatus(results, judge(results, false));
    const vxlan = measured("vxlan", ...tcp(10));
    assert.equal(status([vxlan, measured("udp", ...tcp(9))]), 0);
    assert.equal(status([vxlan, measured("udp", ...tcp(1))]), 1);
    assert.equal(status([vxlan, troubled("udp", NOT_BUILT)]), 0);
    assert.equal(status([vxlan, troubled("udp", { kind: "failed", reason: "iperf3: it broke" })]), 2);
  });
});

describe("toJson", () => {
  it("has every round, the medians, the ratios and the targets", () => {
    const results = [measured("vxlan", ...tcp(10)), measured("udp", ...tcp(8)), troubled("host-gw", NOT_BUILT)];
    const run = { conditions: "here", rounds: 1, seconds: 1, results, verdicts: judge(results, false) };
    const { paths, targets } = JSON.parse(JSON.stringify(toJson(run)));
    assert.equal(paths[1].path, "udp");
    assert.equal(paths[1].rounds[0].rttP99, 40);
    assert.equal(paths[1].summary.tcpGigabitsPerSecond.median, 8);
    assert.equal(paths[1].ratioToVxlan.tcpGigabitsPerSecond.median, 0.8);
    assert.deepEqual(paths[2], { path: "host-gw", trouble: NOT_BUILT, rounds: [null], summary: {}, ratioToVxlan: {} });
    assert.equal(targets[0].outcome, "met");
  });
});
