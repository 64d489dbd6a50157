import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, test } from "node:test";
import { millis } from "../../../src/base/brand.ts";
import { createDoorbell, waitAtMost, waitOutBurst } from "../../../src/base/doorbell.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

const never = new AbortController().signal;

describe("a doorbell", () => {
  test("keeps what is rung while nobody waits", async () => {
    const bell = createDoorbell();
    bell.ring("lease");
    bell.ring("hint");
    bell.ring("hint");
    assert.deepEqual([...(await bell.wait(never))], ["lease", "hint"]);
  });

  test("wakes the one who waits", async () => {
    const bell = createDoorbell();
    const wait = bell.wait(never);
    bell.ring("lease");
    assert.deepEqual([...(await wait)], ["lease"]);
  });

  test("answers a ring during handling with the next wait, and rings it once", async () => {
    const bell = createDoorbell();
    bell.ring("first");
    await bell.wait(never);
    bell.ring("second");
    assert.deepEqual([...(await bell.wait(never))], ["second"]);
    const stop = new AbortController();
    const wait = bell.wait(stop.signal);
    stop.abort(new Error("stopped"));
    await assert.rejects(wait, /stopped/);
  });

  test("rejects with the signal's reason when stopped, and loses nothing by it", async () => {
    const bell = createDoorbell();
    const stop = new AbortController();
    const wait = bell.wait(stop.signal);
    const reason = new Error("stopped");
    stop.abort(reason);
    await assert.rejects(wait, (error) => error === reason);
    bell.ring("later");
    await assert.rejects(bell.wait(stop.signal), (error) => error === reason);
    assert.deepEqual([...(await bell.wait(never))], ["later"]);
  });

  test("leaves no listener on a long-lived signal", async () => {
    const bell = createDoorbell();
    const stop = new AbortController();
    for (let turn = 0; turn < 20; turn++) {
      const wait = bell.wait(stop.signal);
      bell.ring("again");
      await wait;
    }
    assert.equal(getEventListeners(stop.signal, "abort").length, 0);
  });
});

describe("waitAtMost", () => {
  test("ends with a ring of its own when nobody rings within the limit", async () => {
    const clock = createFakeClock();
    const wait = waitAtMost(millis(1000), createDoorbell(), clock, never);
    await clock.advance(1000);
    assert.deepEqual([...(await wait)], ["timer"]);
  });

  test("ends with the first ring and leaves no timer behind", async () => {
    const clock = createFakeClock();
    const bell = createDoorbell();
    const wait = waitAtMost(millis(1000), bell, clock, never);
    bell.ring("lease");
    assert.deepEqual([...(await wait)], ["lease"]);
    assert.equal(clock.sleepers(), 0);
  });
});

describe("waitOutBurst", () => {
  const start = () => {
    const clock = createFakeClock();
    const bell = createDoorbell();
    const place = { clock, bell, isOver: false };
    void waitOutBurst({ quiet: millis(20), latest: millis(100) }, bell, clock, never).then(() => {
      place.isOver = true;
    });
    return place;
  };

  test("ends when nobody has rung for the quiet time", async () => {
    const place = start();
    await place.clock.advance(15);
    place.bell.ring("hint");
    await place.clock.advance(19);
    assert.equal(place.isOver, false);
    await place.clock.advance(1);
    assert.equal(place.isOver, true);
  });

  test("ends at the latest however often somebody rings, and forgets it", async () => {
    const place = start();
    for (let time = 0; time < 90; time += 10) {
      place.bell.ring("hint");
      await place.clock.advance(10);
    }
    assert.equal(place.isOver, false);
    place.bell.ring("hint");
    await place.clock.advance(10);
    assert.equal(place.isOver, true);
    assert.equal(place.clock.sleepers(), 0);
    const wait = waitAtMost(millis(5), place.bell, place.clock, never);
    await place.clock.advance(5);
    assert.deepEqual([...(await wait)], ["timer"]);
  });
});
