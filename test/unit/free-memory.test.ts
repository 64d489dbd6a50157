import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { releasing } from "../../src/free-memory.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";

describe("free memory", () => {
  it("is given back now and then until the daemon is stopped", async () => {
    const clock = createFakeClock();
    const stop = new AbortController();
    let released = 0;
    const count = () => {
      released += 1;
    };
    const running = releasing({ clock, releaseFreeMemory: count })(stop.signal);
    assert.equal(released, 0);
    for (const expected of [2, 4]) {
      await clock.advance(60_000);
      assert.equal(released, expected);
    }
    stop.abort(new Error("stopped"));
    await assert.rejects(running, /stopped/);
    await clock.advance(60_000);
    assert.equal(released, 4);
  });
});
