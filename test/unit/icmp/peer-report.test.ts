import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { millis } from "../../../src/base/brand.ts";
import { parseIpv4 } from "../../../src/base/ip.ts";
import { judgePeer } from "../../../src/icmp/peer-report.ts";
import { judgedWay, startHistory, withOutcome } from "../../../src/icmp/probe-history.ts";
import { lookAtWay } from "../../../src/icmp/way.ts";
import { DEAD, wayOf } from "../../support/well-facts.ts";

const { signal } = new AbortController();
const WAYS = [
  ["underlay", "192.168.77.12"],
  ["overlay", "10.5.2.0"],
  ["underlay", "fd77::12"],
  ["overlay", "fd00:5:0:2::"],
] as const;

const judge = (...dead: readonly string[]) => {
  const ways = WAYS.map(([over, to]) => wayOf(over, to, dead.includes(to) ? DEAD : {}));
  return judgePeer({ name: "192.168.77.12 (10.5.2.0/24)", carrier: "UDP port 8472", ways });
};

const judgeOne = (...outcomes: readonly (string | null)[]) => {
  const refused = (error: string) => ({ ...DEAD, isUnsent: true, reason: `this host cannot send: ${error}` });
  const ways = WAYS.slice(0, 2).map(([over, to], index) => {
    const error = outcomes[index];
    return wayOf(over, to, error ? refused(error) : {});
  });
  return judgePeer({ name: "192.168.77.12 (10.5.2.0/24)", carrier: "UDP port 8472", ways });
};

describe("what is said when this host itself cannot send", () => {
  it("is that, and nothing of the port or of the other host", () => {
    for (const error of ["invalid argument", "operation not permitted"]) {
      assert.deepEqual(judgeOne(null, error), {
        verdict: "broken",
        sentence: `192.168.77.12 (10.5.2.0/24) answers, but not through the overlay (this host cannot send: ${error}): most likely a route, a rule or a firewall of this host forbids it`,
        remedy: "see what forbids it here: ip route get 10.5.2.0, ip rule, nft list ruleset",
        command: null,
      });
    }
    const neither = judgeOne("invalid argument", "invalid argument");
    assert.match(neither.sentence ?? "", /does not answer at all \(this host cannot send: invalid argument\)$/);
    assert.match(neither.remedy ?? "", /^see what forbids it here: ip route get 192\.168\.77\.12,/);
  });

  it("is told by both who look once and who probe all the time", async () => {
    const outcome = { kind: "unsent", reason: "invalid argument" } as const;
    const silent = { kind: "silent" } as const;
    const to = parseIpv4("10.5.2.0");
    assert.ok(to);
    const pinger = { ping: async () => outcome, [Symbol.dispose]: () => {} };
    const looked = await lookAtWay({ to, most: null }, { count: 2, limit: millis(1000) }, pinger, signal);
    const start = startHistory({ over: "overlay", ip: to });
    const probed = [outcome, outcome, silent].reduce(withOutcome, start);
    for (const { reason, isUnsent } of [looked, judgedWay(probed)])
      assert.deepEqual([reason, isUnsent], ["this host cannot send: invalid argument", true]);
    const elsewhere = withOutcome(probed, { kind: "unreachable", reason: "no route", from: "192.168.77.1" });
    const back = withOutcome(probed, { kind: "reply", rtt: millis(1) });
    assert.deepEqual([judgedWay(elsewhere).isUnsent, judgedWay(back).isUnsent], [false, false]);
  });
});

describe("what is said of a dual-stack peer", () => {
  it("is the family in which it does not answer at all", () => {
    const without4 = judge("192.168.77.12", "10.5.2.0");
    assert.equal(without4.verdict, "broken");
    assert.match(without4.sentence ?? "", /does not answer over IPv4, and does over IPv6$/);
    assert.match(without4.remedy ?? "", /drops IPv4/);
    assert.match(judge("fd77::12", "fd00:5:0:2::").sentence ?? "", /does not answer over IPv6, and does over IPv4$/);
  });

  it("is the overlay where only that is silent, and nothing at all where nothing answers", () => {
    for (const [dead, which] of [
      [["10.5.2.0"], " over IPv4"],
      [["fd00:5:0:2::"], " over IPv6"],
      [["10.5.2.0", "fd00:5:0:2::"], ""],
    ] as const)
      assert.match(judge(...dead).sentence ?? "", RegExp(`, but not through the overlay${which}: UDP port 8472`));
    assert.match(judge("192.168.77.12", "10.5.2.0", "fd00:5:0:2::").sentence ?? "", /not through the overlay/);
    assert.match(judge("192.168.77.12").sentence ?? "", /through the overlay, but not on the underlay/);
    assert.match(judge(...WAYS.map(([, to]) => to)).sentence ?? "", /does not answer at all/);
    assert.equal(judge().verdict, "fine");
  });
});
