import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createWaiters } from "../../../src/base/waiters.ts";

const { signal } = new AbortController();

/** Whether the promise is settled once everything that is due has run. */
async function isSettled(promise: Promise<void>): Promise<boolean> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe("waiters", () => {
  it("resolve at once when the condition holds already", async () => {
    assert.ok(await isSettled(createWaiters().until(() => true, signal)));
  });

  it("resolve when the condition holds at a check, and not before one", async () => {
    const waiters = createWaiters();
    let holds = false;
    const waiting = waiters.until(() => holds, signal);
    waiters.check();
    assert.ok(!(await isSettled(waiting)));
    holds = true;
    assert.ok(!(await isSettled(waiting)));
    waiters.check();
    await waiting;
  });

  it("are looked at each by its own condition", async () => {
    const waiters = createWaiters();
    let number = 0;
    const one = waiters.until(() => number >= 1, signal);
    const two = waiters.until(() => number >= 2, signal);
    number = 1;
    waiters.check();
    await one;
    assert.ok(!(await isSettled(two)));
    number = 2;
    waiters.check();
    await two;
  });

  it("stay resolved when the condition holds no longer, and are not looked at again", async () => {
    const waiters = createWaiters();
    let looks = 0;
    await waiters.until(() => ++looks > 0, signal);
    waiters.check();
    assert.equal(looks, 1);
  });

  it("may be waited for from within a check", async () => {
    const waiters = createWaiters();
    let open = false;
    const second = waiters.until(() => open, signal).then(() => waiters.until(() => true, signal));
    open = true;
    waiters.check();
    await second;
  });

  it("reject with the reason when the signal aborts, and at once when it has", async () => {
    const waiters = createWaiters();
    const stop = new AbortController();
    let looks = 0;
    const condition = () => ++looks < 0;
    const waiting = waiters.until(condition, stop.signal);
    stop.abort(new Error("stopped"));
    await assert.rejects(waiting, /stopped/);
    await assert.rejects(
      waiters.until(() => false, stop.signal),
      /stopped/,
    );
    const before = looks;
    waiters.check();
    assert.equal(looks, before, "nobody is looked at who has gone");
  });
});
