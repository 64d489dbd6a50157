import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Heard } from "../../../lab/echo-stream.ts";
import { describeLosses, excuseOf, judgeLosses, type PairHeard } from "../../../soak/losses.ts";
import { type EpochMillis, millis } from "../../../src/base/brand.ts";

const at = (moment: number) => moment as EpochMillis;

/** Of 1,000 packets these were lost, by the moments when they were sent. */
function heard(...moments: number[]): Heard {
  return { sent: 1000, lost: moments.map((moment) => ({ number: moment / 2, sentAt: at(moment) })) };
}

function pair(name: string, overlay: Heard, underlay: Heard = heard()): PairHeard {
  return { pair: name, overlay, underlay };
}

const FAULT = { kind: "kernel", mayLose: () => millis(100) } as const;
const TIMELINE = { began: at(500), injected: at(510), undoing: at(790), undone: at(800) };

/** What h2 may lose: for this long after the fault was undone, or nothing. */
function excuse(mayLose: number | null, more: Partial<Parameters<typeof excuseOf>[0]> = {}) {
  const fault = { ...FAULT, mayLose: () => (mayLose === null ? null : millis(mayLose)), ...more };
  return excuseOf(fault, "vxlan", "h2", TIMELINE);
}
const NOTHING = excuse(null);
const moments = (packets: readonly { readonly sentAt: number }[]) => packets.map(({ sentAt }) => sentAt);

describe("judgeLosses", () => {
  it("finds nothing to explain where nothing was lost", () => {
    assert.deepEqual(judgeLosses([pair("h1-h2", heard()), pair("h1-h3", heard())], NOTHING), {
      sent: 2000,
      lost: 0,
      shared: 0,
      excused: 0,
      outage: 0,
      unexplained: [],
      underlay: { sent: 2000, lost: 0 },
    });
  });

  it("blames the overlay for every packet that nothing explains", () => {
    const { lost, unexplained } = judgeLosses([pair("h1-h2", heard(500, 502)), pair("h1-h3", heard(700))], NOTHING);
    assert.equal(lost, 3);
    assert.deepEqual(
      unexplained.map(({ pair, number }) => [pair, number]),
      [
        ["h1-h2", 250],
        ["h1-h2", 251],
        ["h1-h3", 350],
      ],
    );
  });

  it("does not blame it for what the underlay of any pair lost at the same moment", () => {
    const judged = judgeLosses([pair("h1-h2", heard(500, 900)), pair("h1-h3", heard(), heard(590))], NOTHING);
    assert.equal(judged.shared, 1);
    assert.deepEqual(moments(judged.unexplained), [900]);
    assert.equal(judged.underlay.lost, 1);
  });

  it("excuses what was under way, or sent while the fault may cost packets, both ends included, and nothing else", () => {
    const judged = judgeLosses([pair("h1-h2", heard(398, 400, 700, 900, 902))], excuse(100));
    assert.equal(judged.excused, 3);
    assert.deepEqual(moments(judged.unexplained), [398, 902]);
  });

  it("excuses nothing on pairs of other hosts", () => {
    const judged = judgeLosses([pair("h1-h3", heard(600)), pair("h2-h3", heard(600))], excuse(100));
    assert.deepEqual([judged.excused, judged.unexplained.map(({ pair }) => pair)], [1, ["h1-h3"]]);
  });

  it("excuses what is lost about the beginning and about the end of what flanneld mends meanwhile, and nothing in between", () => {
    const judged = judgeLosses(
      [pair("h1-h2", heard(500, 610, 650, 690, 900, 902))],
      excuse(100, { mendedMeanwhile: true }),
    );
    assert.deepEqual(moments(judged.unexplained), [650, 902]);
  });

  it("tells how long after the event the last excused packet was sent", () => {
    const outage = (...lost: number[]) => judgeLosses([pair("h1-h2", heard(...lost))], excuse(100)).outage;
    // Before it was undone nobody could do anything.
    assert.deepEqual([outage(), outage(700), outage(700, 870), outage(870, 1000)], [0, 0, 70, 70]);
    const mended = judgeLosses([pair("h1-h2", heard(560, 830))], excuse(100, { mendedMeanwhile: true }));
    assert.equal(mended.outage, 60);
  });

  it("counts that from when the underlay is back where the fault has cut it", () => {
    const pairs = [pair("h1-h2", heard(850, 880), heard(820, 840)), pair("h2-h3", heard(850, 860), heard(855, 870))];
    assert.equal(judgeLosses(pairs, excuse(100, { kind: "underlay" })).outage, 40);
    assert.equal(judgeLosses(pairs, excuse(100)).outage, 80);
  });

  it("does not take the underlay that the fault cuts for a witness", () => {
    const pairs = [pair("h1-h3", heard(700)), pair("h1-h2", heard(700), heard(700))];
    assert.equal(judgeLosses(pairs, excuse(100)).unexplained.length, 0);
    assert.equal(judgeLosses(pairs, excuse(100, { kind: "underlay" })).unexplained.length, 1);
    const later = [pair("h1-h3", heard(950), heard(950))];
    assert.equal(judgeLosses(later, excuse(100, { kind: "underlay" })).shared, 1);
  });
});

describe("describeLosses", () => {
  it("says for each pair how many, which, and when after the fault began", () => {
    const { unexplained } = judgeLosses([pair("h1-h2", heard(1500, 1502)), pair("h2-h3", heard(1400))], NOTHING);
    assert.deepEqual(describeLosses(unexplained, at(1000)), [
      "h1-h2: 2 packets, numbers 750 to 751, sent 0.500 to 0.502 s after the fault began",
      "h2-h3: 1 packets, numbers 700 to 700, sent 0.400 to 0.400 s after the fault began",
    ]);
  });
});
