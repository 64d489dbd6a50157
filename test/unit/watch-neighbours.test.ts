import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createNeighbourWatch } from "../../src/watch-neighbours.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { PEER_A, PEER_B, planFor } from "../support/vxlan-host.ts";

const MINUTE = 60_000;

function start(entries: number) {
  const clock = createFakeClock();
  const log = createCapturedLog();
  const stop = new AbortController();
  const table = { entries, limit: 1000 };
  const watch = createNeighbourWatch({ kernel: { neighbourTable: async () => ({ ...table }) }, clock, log });
  const running = watch.run(stop.signal).catch(() => {});
  return {
    clock,
    log,
    watch,
    table,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

describe("the neighbour table", () => {
  it("that is nearly full is told within a minute, once, with what to raise, and when it has room again", async () => {
    await using host = start(799);
    await host.clock.advance(MINUTE);
    assert.equal(host.watch.trouble(), null);
    host.table.entries = 800;
    await host.clock.advance(MINUTE);
    assert.equal(host.watch.trouble(), "it has 800 of at most 1000 entries");
    assert.match(host.log.lines[0]?.fields.hint ?? "", /gc_thresh3/);
    host.table.entries = 10;
    await host.clock.advance(MINUTE);
    assert.equal(host.watch.trouble(), null);
    assert.deepEqual(host.log.messages(), [
      "the kernel's neighbour table is nearly full",
      "the kernel's neighbour table has room again",
    ]);
  });

  it("has room for entries of ours, which the kernel does not count", async () => {
    await using host = start(801);
    host.watch.follow(planFor([PEER_A, PEER_B]));
    await host.clock.advance(MINUTE);
    assert.equal(host.watch.trouble(), null);
  });
});
