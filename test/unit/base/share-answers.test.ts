import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { shareAnswers } from "../../../src/base/share-answers.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

describe("shareAnswers()", () => {
  it("makes one answer for all who wait, and another when that is a second old", async () => {
    const clock = createFakeClock();
    let made = 0;
    const answer = shareAnswers(async (peers: boolean) => `${peers} ${++made}`, clock);
    assert.deepEqual(await Promise.all([answer(true), answer(true)]), ["true 1", "true 1"]);
    assert.equal(await answer(false), "false 2");
    await clock.advance(999);
    assert.equal(await answer(true), "true 1");
    await clock.advance(1);
    assert.equal(await answer(true), "true 3");
  });

  it("has no second one made while the first takes its time", async () => {
    const clock = createFakeClock();
    const finish: ((text: string) => void)[] = [];
    const answer = shareAnswers((_: boolean) => new Promise<string>((resolve) => finish.push(resolve)), clock);
    const first = answer(true);
    await clock.advance(5000);
    const second = answer(true);
    assert.equal(finish.length, 1);
    finish[0]?.("x");
    assert.deepEqual(await Promise.all([first, second]), ["x", "x"]);
  });

  it("keeps no failure", async () => {
    let isBroken = true;
    const answer = shareAnswers(async (_: boolean) => {
      if (isBroken) throw new Error("broken");
      return "fine";
    }, createFakeClock());
    await assert.rejects(answer(true), /broken/);
    isBroken = false;
    assert.equal(await answer(true), "fine");
  });
});
