import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createNeighbourWatch } from "../../src/watch-neighbours.ts";
import { startWatch } from "../support/running-watch.ts";
import { PEER_A, PEER_B, planFor } from "../support/vxlan-host.ts";

const MINUTE = 60_000;

function start(entries: number) {
  const table = { entries, limit: 1000 };
  return startWatch(table, (means) =>
    createNeighbourWatch({ kernel: { neighbourTable: async () => ({ ...table }) }, ...means }),
  );
}

describe("the neighbour table", () => {
  it("that is nearly full is told within a minute, once, with what to raise, and when it has room again", async () => {
    await using place = start(799);
    await place.clock.advance(MINUTE);
    assert.equal(place.watch.trouble(), null);
    place.host.entries = 800;
    await place.clock.advance(MINUTE);
    assert.equal(place.watch.trouble(), "it has 800 of at most 1000 entries");
    assert.match(place.log.lines[0]?.fields.hint ?? "", /gc_thresh3/);
    place.host.entries = 10;
    await place.clock.advance(MINUTE);
    assert.equal(place.watch.trouble(), null);
    assert.deepEqual(place.log.messages(), [
      "the kernel's neighbour table is nearly full",
      "the kernel's neighbour table has room again",
    ]);
  });

  it("has room for entries of ours, which the kernel does not count", async () => {
    await using place = start(801);
    place.watch.follow(planFor([PEER_A, PEER_B]));
    await place.clock.advance(MINUTE);
    assert.equal(place.watch.trouble(), null);
  });
});
