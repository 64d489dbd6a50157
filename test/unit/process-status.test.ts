import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { createProcessReader } from "../../src/process-status.ts";

describe("what the process tells of itself", () => {
  it("is of this process, and was started at one moment however often it is asked", async () => {
    const read = createProcessReader({ clock: systemClock, level: () => "debug" });
    const [first, second] = [await read(), await read()];
    assert.deepEqual(
      [first.pid, first.runtime, first.logLevel],
      [process.pid, `node ${process.versions.node}`, "debug"],
    );
    assert.equal(first.started, second.started);
    assert.ok(Math.abs(Date.parse(first.started) + first.uptimeSeconds * 1000 - Date.now()) < 60_000);
    assert.ok(second.uptimeSeconds >= first.uptimeSeconds && first.residentBytes > first.heapUsedBytes);
    assert.ok(first.openFiles !== null && first.openFiles > 2);
    assert.ok(first.eventLoopUtilization >= 0 && first.eventLoopUtilization <= 1 && first.eventLoopLagSeconds >= 0);
    assert.ok(first.cpuSeconds.user > 0);
  });
});
