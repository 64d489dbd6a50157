import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { byCommand } from "../../src/base/remedy.ts";
import type { HostJudgement, HostTopic } from "../../src/check/running-checks.ts";
import { createHostWatch } from "../../src/watch-host.ts";
import { startWatch } from "../support/running-watch.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const NOTHING: ReadonlySet<HostTopic> = new Set();
const DROPS: HostJudgement = {
  troubles: new Map([["forward-rules", { sentence: "inet fw drops", ...byCommand("nft add rule") }]]),
  unknown: NOTHING,
};
const FINE: HostJudgement = { troubles: new Map(), unknown: NOTHING };
const UNKNOWN: HostJudgement = { troubles: new Map(), unknown: new Set(["forward-rules"]) };

function start(first: HostJudgement | null, { lasts = 0 } = {}) {
  const host = { found: first, looks: 0, changes: 0, lasts };
  const place = startWatch(host, (means) =>
    createHostWatch({
      async look(signal) {
        host.looks += 1;
        if (host.lasts > 0) await means.clock.sleep(host.lasts as never, signal);
        return host.found;
      },
      onChange: () => {
        host.changes += 1;
      },
      ...means,
    }),
  );
  return {
    ...place,
    /** Asks, and lets time pass until there is an answer. */
    async ask() {
      let isDone = false;
      const asked = place.watch.refresh().finally(() => {
        isDone = true;
      });
      for (let waited = 0; !isDone && waited < 100; waited++) await place.clock.advance(50);
      assert.ok(isDone);
      await asked;
      return place.watch.trouble("forward-rules")?.sentence ?? null;
    },
  };
}

describe("the watch over what others decide on this host", () => {
  it("looks rarely by itself, and more often while something is wrong", async () => {
    await using place = start(FINE);
    await place.clock.advance(MINUTE);
    assert.equal(place.host.looks, 1);
    await place.clock.advance(9 * MINUTE);
    assert.equal(place.host.looks, 1);
    place.host.found = DROPS;
    await place.clock.advance(MINUTE);
    assert.deepEqual(place.watch.trouble("forward-rules"), { sentence: "inet fw drops", ...byCommand("nft add rule") });
    assert.equal(place.watch.trouble("rp-filter"), null);
    place.host.found = FINE;
    await place.clock.advance(20 * SECOND);
    assert.equal(place.watch.trouble("forward-rules"), null);
    assert.equal(place.host.changes, 2);
  });

  it("looks anew for whoever asks, also a moment after the one before", async () => {
    await using place = start(DROPS, { lasts: 100 });
    assert.equal(await place.ask(), "inet fw drops");
    place.host.found = FINE;
    assert.equal(await place.ask(), null);
    assert.equal(place.host.looks, 2);
  });

  it("looks for a twentieth of the time for who does not stop asking", async () => {
    await using place = start(DROPS, { lasts: 100 });
    const began = place.clock.monotonic();
    while (place.clock.monotonic() - began < 10 * MINUTE) {
      await place.ask();
      await place.clock.advance(100);
    }
    // Besides those that are ahead.
    assert.ok(place.host.looks >= 250 && place.host.looks <= 320, `${place.host.looks}`);
    place.host.found = FINE;
    await place.clock.advance(20 * SECOND);
    assert.equal(await place.ask(), null);
  });

  it("answers many who ask at once with one look", async () => {
    await using place = start(DROPS, { lasts: 100 });
    await Promise.all([place.ask(), place.ask(), place.ask()]);
    assert.equal(place.host.looks, 1);
  });

  it("does not look again for whoever asks during a look", async () => {
    await using place = start(DROPS, { lasts: 10 * SECOND });
    assert.equal(await place.ask(), null);
    await place.clock.advance(5 * SECOND);
    assert.equal(await place.ask(), null);
    await place.clock.advance(100 * SECOND);
    assert.equal(place.watch.trouble("forward-rules")?.sentence, "inet fw drops");
    assert.equal(place.host.looks, 1);
  });

  it("keeps nobody waiting for a look that takes long, and then rests twenty times as long", async () => {
    await using place = start(DROPS, { lasts: 10 * SECOND });
    assert.equal(await place.ask(), null);
    await place.clock.advance(10 * SECOND);
    assert.equal(await place.ask(), "inet fw drops");
    await place.clock.advance(190 * SECOND);
    await place.ask();
    assert.equal(place.host.looks, 1);
    await place.clock.advance(MINUTE);
    assert.equal(place.host.looks, 2);
  });

  it("logs only what the next look finds as well, with the command that mends it, and its end", async () => {
    await using place = start(DROPS);
    await place.clock.advance(20 * SECOND);
    assert.deepEqual(place.log.lines, []);
    await place.clock.advance(20 * SECOND);
    assert.deepEqual(
      place.log.lines.map(({ fields: { reason, hint } }) => [reason, hint]),
      [["inet fw drops", "nft add rule"]],
    );
    await place.clock.advance(2 * 20 * SECOND);
    assert.equal(place.log.lines.length, 1);
    place.host.found = FINE;
    await place.clock.advance(20 * SECOND);
    assert.equal(place.log.messages("info").length, 1);
  });

  it("says nothing before there is anything to judge by, and keeps what it knew", async () => {
    await using place = start(null);
    assert.equal(await place.ask(), null);
    place.host.found = DROPS;
    await place.clock.advance(10 * MINUTE);
    place.host.found = null;
    await place.clock.advance(MINUTE);
    assert.equal(place.watch.trouble("forward-rules")?.sentence, "inet fw drops");
  });

  it("takes what could not be looked at neither for mended nor for found again", async () => {
    await using place = start(DROPS);
    await place.clock.advance(20 * SECOND);
    place.host.found = UNKNOWN;
    await place.clock.advance(20 * SECOND);
    assert.equal(place.watch.trouble("forward-rules")?.sentence, "inet fw drops");
    assert.deepEqual(place.log.lines, []);
    place.host.found = DROPS;
    await place.clock.advance(20 * SECOND);
    assert.equal(place.log.messages("warn").length, 1);
    place.host.found = UNKNOWN;
    await place.clock.advance(MINUTE);
    assert.equal(place.log.messages("info").length, 0);
    assert.equal(place.host.changes, 1);
    place.host.found = FINE;
    await place.clock.advance(20 * SECOND);
    assert.equal(place.watch.trouble("forward-rules"), null);
    assert.equal(place.log.messages("info").length, 1);
  });

  it("does not keep waiting whoever asks when it does not run", async () => {
    const place = start(DROPS);
    await place[Symbol.asyncDispose]();
    await place.watch.refresh();
    assert.equal(place.host.looks, 0);
  });
});
