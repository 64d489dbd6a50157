import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, test } from "node:test";
import { millis } from "../../../src/base/brand.ts";
import { childSignal, DeadlineExceeded, withDeadline } from "../../../src/base/signals.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

describe("a child signal", () => {
  test("aborts with its parent and for its parent's reason", () => {
    const parent = new AbortController();
    using child = childSignal(parent.signal);
    const reason = new Error("stopped");
    parent.abort(reason);
    assert.equal(child.signal.reason, reason);
  });

  test("is aborted from the beginning when its parent is", () => {
    using child = childSignal(AbortSignal.abort(new Error("stopped")));
    assert.equal(child.signal.aborted, true);
  });

  test("aborts by itself without its parent", () => {
    const parent = new AbortController();
    using child = childSignal(parent.signal);
    child.abort(new Error("enough"));
    assert.equal(child.signal.aborted, true);
    assert.equal(parent.signal.aborted, false);
  });

  test("lets go of its parent when it is disposed of", () => {
    const parent = new AbortController();
    for (let turn = 0; turn < 20; turn++) {
      using _child = childSignal(parent.signal);
    }
    assert.equal(getEventListeners(parent.signal, "abort").length, 0);
  });
});

describe("withDeadline", () => {
  test("gives the result of work that ends in time, and leaves no timer behind", async () => {
    const clock = createFakeClock();
    const stop = new AbortController();
    assert.equal(await withDeadline(millis(100), clock, stop.signal, async () => "done"), "done");
    await clock.advance(0);
    assert.equal(clock.sleepers(), 0);
    assert.equal(getEventListeners(stop.signal, "abort").length, 0);
  });

  test("aborts work that takes too long", async () => {
    const clock = createFakeClock();
    const work = withDeadline(millis(100), clock, new AbortController().signal, untilAborted);
    const outcome = assert.rejects(work, (error) => error instanceof DeadlineExceeded && /100 ms/.test(error.message));
    await clock.advance(99);
    assert.equal(clock.sleepers(), 1);
    await clock.advance(1);
    await outcome;
  });

  test("aborts work with the parent's reason when the parent is stopped first", async () => {
    const clock = createFakeClock();
    const stop = new AbortController();
    const outcome = assert.rejects(withDeadline(millis(100), clock, stop.signal, untilAborted), /stopped/);
    stop.abort(new Error("stopped"));
    await outcome;
    assert.equal(clock.sleepers(), 0);
  });

  test("passes on the error of the work itself", async () => {
    const failing = async () => {
      throw new Error("refused");
    };
    const clock = createFakeClock();
    await assert.rejects(withDeadline(millis(100), clock, new AbortController().signal, failing), /refused/);
    assert.equal(clock.sleepers(), 0);
  });
});

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
