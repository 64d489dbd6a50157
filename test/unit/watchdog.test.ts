import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { millis } from "../../src/base/brand.ts";
import type { KernelNet } from "../../src/net/kernel-net.ts";
import { createPulse, takeWatchdog } from "../../src/watchdog.ts";
import { SOON, startReconciler } from "../support/reconciling-host.ts";

describe("takeWatchdog()", () => {
  it("reads how long systemd waits, and leaves nothing for children", () => {
    const env = { WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7", OTHER: "x" };
    assert.equal(takeWatchdog(env, 7), 30_000);
    assert.deepEqual(env, { OTHER: "x" });
    assert.equal(takeWatchdog({ WATCHDOG_USEC: "3000000" }, 7), 3000);
  });

  for (const env of [
    {},
    { WATCHDOG_USEC: "30000000", WATCHDOG_PID: "8" },
    { WATCHDOG_USEC: "0" },
    { WATCHDOG_USEC: "x" },
  ]) {
    it(`is not watched with ${JSON.stringify(env)}`, () => assert.equal(takeWatchdog({ ...env }, 7), null));
  }
});

/** A reconciler at work under a watchdog, and when it said what to systemd. */
function watchedHost(watchdog: number | null, wrap?: (kernel: KernelNet) => KernelNet) {
  const told: string[] = [];
  const board = { announce: () => void told.push("STATUS") };
  const notify = (state: string) => void told.push(state);
  const pulse = createPulse({ watchdog: watchdog === null ? null : millis(watchdog), notify, board });
  return { told, host: startReconciler(wrap ? { pulse, wrap } : { pulse }) };
}

describe("the watchdog", () => {
  it("is fed three times in the time that is allowed, also when there is nothing to do", async () => {
    const { told, host } = watchedHost(3000);
    await using _host = host;
    await host.clock.advance(SOON);
    told.length = 0;
    const readings = host.kernel.readCount();
    await host.clock.advance(10_000);
    assert.equal(told.filter((state) => state === "WATCHDOG=1").length, 10);
    assert.equal(host.kernel.readCount(), readings);
  });

  it("is not fed while the loop hangs", async () => {
    const hanging = (kernel: KernelNet): KernelNet => ({ ...kernel, read: () => new Promise(() => {}) });
    const { told, host } = watchedHost(3000, hanging);
    await host.clock.advance(60_000);
    assert.deepEqual(told, []);
    host.stop.abort();
  });

  it("is not spoken to when nobody watches, but the state is told", async () => {
    const { told, host } = watchedHost(null);
    await using _host = host;
    await host.clock.advance(SOON);
    assert.deepEqual([...new Set(told)], ["STATUS"]);
  });
});
