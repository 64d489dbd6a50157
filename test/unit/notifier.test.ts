import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createNotifier } from "../../src/notifier.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";

function scene() {
  const [heard, timers]: [string[], (() => void)[]] = [[], []];
  let refusal: string | null = null;
  const log = createCapturedLog();
  const notify = createNotifier({
    send(state) {
      if (refusal !== null) throw Object.assign(new Error(refusal), { code: refusal });
      heard.push(state);
    },
    startTimer: (_, ring) => void timers.push(ring),
    clock: createFakeClock(),
    log,
  });
  return {
    heard,
    timers,
    log,
    notify,
    refuse: (code: string | null) => {
      refusal = code;
    },
    retry: () => timers.shift()?.(),
  };
}

describe("what systemd is told", () => {
  it("gets there at once", () => {
    const { notify, heard, timers } = scene();
    notify("STATUS=a");
    notify("READY=1");
    assert.deepEqual([heard, timers.length], [["STATUS=a", "READY=1"], 0]);
  });

  it("waits while it does not read, the newest of each kind", () => {
    const { notify, heard, timers, refuse, retry } = scene();
    refuse("EAGAIN");
    for (const state of ["STATUS=a", "READY=1", "STATUS=b", "WATCHDOG=1", "WATCHDOG=1"]) notify(state);
    assert.equal(timers.length, 1);
    retry();
    assert.equal(timers.length, 1);
    refuse(null);
    retry();
    assert.deepEqual(heard, ["STATUS=b", "READY=1", "WATCHDOG=1"]);
    assert.equal(timers.length, 0);
  });

  it("is missed once in the log while it cannot be told, and not for a moment", () => {
    const { notify, log, refuse, retry } = scene();
    refuse("EAGAIN");
    notify("WATCHDOG=1");
    assert.deepEqual(log.lines, []);
    retry();
    notify("WATCHDOG=1");
    retry();
    assert.equal(log.lines.length, 1);
    refuse(null);
    retry();
    assert.equal(log.lines.length, 2);
    refuse("ECONNREFUSED");
    notify("WATCHDOG=1");
    assert.equal(log.lines.length, 3);
  });
});
