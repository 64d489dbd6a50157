import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judgePeer } from "../../../src/icmp/peer-report.ts";
import { DEAD, wayOf } from "../../support/well-facts.ts";

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

describe("what is said of a dual-stack peer", () => {
  it("is the family in which it does not answer at all", () => {
    const without4 = judge("192.168.77.12", "10.5.2.0");
    assert.equal(without4.verdict, "broken");
    assert.match(without4.sentence ?? "", /does not answer over IPv4, and does over IPv6$/);
    assert.match(without4.remedy ?? "", /drops IPv4/);
    assert.match(judge("fd77::12", "fd00:5:0:2::").sentence ?? "", /does not answer over IPv6, and does over IPv4$/);
  });

  it("is the overlay where only that is silent, and nothing at all where nothing answers", () => {
    for (const dead of [["10.5.2.0"], ["fd00:5:0:2::"], ["10.5.2.0", "fd00:5:0:2::"]])
      assert.match(judge(...dead).sentence ?? "", /answers, but not through the overlay: UDP port 8472/);
    assert.match(judge("192.168.77.12", "10.5.2.0", "fd00:5:0:2::").sentence ?? "", /not through the overlay/);
    assert.match(judge("192.168.77.12").sentence ?? "", /through the overlay, but not on the underlay/);
    assert.match(judge(...WAYS.map(([, to]) => to)).sentence ?? "", /does not answer at all/);
    assert.equal(judge().verdict, "fine");
  });
});
