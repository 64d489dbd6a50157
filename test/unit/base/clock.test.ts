import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, test } from "node:test";
import { millis } from "../../../src/base/brand.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

const never = new AbortController().signal;

describe("the system clock", () => {
  test("sleeps at least as long as it was told", async () => {
    const before = systemClock.monotonic();
    await systemClock.sleep(millis(5), never);
    assert.ok(systemClock.monotonic() - before >= 4);
  });

  test("wakes with the signal's reason", async () => {
    const stop = new AbortController();
    const sleep = systemClock.sleep(millis(60_000), stop.signal);
    const reason = new Error("stopped");
    stop.abort(reason);
    await assert.rejects(sleep, (error) => error === reason);
    await assert.rejects(systemClock.sleep(millis(0), stop.signal), (error) => error === reason);
  });

  test("sleeps for a month without firing at once, as a single timer of Node would", async () => {
    const stop = new AbortController();
    let woke = false;
    const sleep = systemClock.sleep(millis(30 * 86_400_000), stop.signal).then(
      () => {
        woke = true;
      },
      () => {},
    );
    await systemClock.sleep(millis(5), never);
    stop.abort();
    await sleep;
    assert.equal(woke, false);
  });

  test("tells the wall clock's time", () => {
    assert.ok(systemClock.now() > Date.UTC(2024, 0, 1));
  });

  test("leaves no listener behind", async () => {
    const stop = new AbortController();
    await systemClock.sleep(millis(0), stop.signal);
    assert.equal(getEventListeners(stop.signal, "abort").length, 0);
  });
});

describe("the fake clock", () => {
  test("wakes sleepers in the order in which they are due, and lets each run before the next", async () => {
    const clock = createFakeClock();
    const events: string[] = [];
    const sleeper = async (name: string, duration: number) => {
      await clock.sleep(millis(duration), never);
      events.push(`${name} at ${clock.monotonic()}`);
    };
    const all = [sleeper("late", 30), sleeper("early", 10), sleeper("never", 31)];
    const twice = sleeper("first", 5).then(() => sleeper("second", 10));
    await clock.advance(30);
    await Promise.all([all[0], all[1], twice]);
    assert.deepEqual(events, ["first at 5", "early at 10", "second at 15", "late at 30"]);
    assert.equal(clock.sleepers(), 1);
    assert.equal(clock.untilNext(), 1);
  });

  test("wakes with the signal's reason", async () => {
    const clock = createFakeClock();
    const stop = new AbortController();
    const sleep = clock.sleep(millis(10), stop.signal);
    stop.abort(new Error("stopped"));
    await assert.rejects(sleep, /stopped/);
    assert.equal(clock.sleepers(), 0);
  });

  test("moves the wall clock with the monotonic one", async () => {
    const clock = createFakeClock(1000);
    await clock.advance(500);
    assert.equal(clock.now(), 1500);
    assert.equal(clock.monotonic(), 500);
  });
});
