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

describe("judgeLosses", () => {
  it("finds nothing to explain where nothing was lost", () => {
    assert.deepEqual(judgeLosses([pair("h1-h2", heard()), pair("h1-h3", heard())], null), {
      sent: 2000,
      lost: 0,
      shared: 0,
      excused: 0,
      unexplained: [],
      underlay: { sent: 2000, lost: 0 },
    });
  });

  it("blames the overlay for every packet that nothing explains", () => {
    const { lost, unexplained } = judgeLosses([pair("h1-h2", heard(500, 502)), pair("h1-h3", heard(700))], null);
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
    const judged = judgeLosses([pair("h1-h2", heard(500, 900)), pair("h1-h3", heard(), heard(590))], null);
    assert.equal(judged.shared, 1);
    assert.deepEqual(
      judged.unexplained.map(({ sentAt }) => sentAt),
      [900],
    );
    assert.equal(judged.underlay.lost, 1);
  });

  it("excuses what was sent while the fault may cost packets, both ends included, and nothing else", () => {
    const excuse = excuseOf(millis(100), at(500), at(800));
    assert.deepEqual(excuse, { from: 500, until: 900 });
    const { excused, unexplained } = judgeLosses([pair("h1-h2", heard(498, 500, 700, 900, 902))], excuse);
    assert.equal(excused, 3);
    assert.deepEqual(
      unexplained.map(({ sentAt }) => sentAt),
      [498, 902],
    );
    assert.equal(excuseOf(null, at(500), at(800)), null);
  });
});

describe("describeLosses", () => {
  it("says for each pair how many, which, and when after the fault began", () => {
    const { unexplained } = judgeLosses([pair("h1-h2", heard(1500, 1502)), pair("h2-h3", heard(1400))], null);
    assert.deepEqual(describeLosses(unexplained, at(1000)), [
      "h1-h2: 2 packets, numbers 750 to 751, sent 0.500 to 0.502 s after the fault began",
      "h2-h3: 1 packets, numbers 700 to 700, sent 0.400 to 0.400 s after the fault began",
    ]);
  });
});
