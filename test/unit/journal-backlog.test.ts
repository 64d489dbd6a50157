import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBacklog, type Delivery, type Parcel } from "../../src/journal-backlog.ts";

/** A reader who takes parcels of ten bytes as he is told. */
function scene(limit = 30) {
  const [taken, timers, dropped]: [string[], (() => void)[], number[]] = [[], [], []];
  const intervals: number[] = [];
  let room = Number.POSITIVE_INFINITY;
  let answer: Delivery = "done";
  let now = 0;
  const parcel = (name: string): Parcel => ({
    size: 10,
    deliver() {
      if (room === 0) return "later";
      if (answer === "done") {
        taken.push(name);
        room -= 1;
      }
      return answer;
    },
  });
  const backlog = createBacklog(limit, {
    now: () => now,
    startTimer(duration, ring) {
      intervals.push(duration);
      timers.push(ring);
    },
    onDropped(count) {
      dropped.push(count);
      backlog.add(parcel(`${count} missing`));
    },
  });
  return {
    backlog,
    taken,
    dropped,
    timers,
    intervals,
    room: (parcels: number) => {
      room = parcels;
    },
    add: (...names: string[]) => {
      for (const name of names) backlog.add(parcel(name));
    },
    reader: (next: Delivery, at = now) => {
      answer = next;
      now = at;
    },
    look: () => timers.shift()?.(),
  };
}

describe("the backlog of the log", () => {
  it("keeps nothing while somebody reads", () => {
    const { taken, timers, add, backlog } = scene();
    add("a", "b");
    assert.deepEqual([taken, timers.length, backlog.stalledSince()], [["a", "b"], 0, null]);
  });

  it("delivers in order what has waited, when the reader is looked after and when there is more", () => {
    const { taken, add, reader, look } = scene();
    reader("later");
    add("a", "b");
    reader("done");
    look();
    assert.deepEqual(taken, ["a", "b"]);
    reader("later");
    add("c");
    reader("done");
    add("d");
    assert.deepEqual(taken, ["a", "b", "c", "d"]);
  });

  it("drops what comes when it is full until all has gone, and says there how much that was", () => {
    const { taken, dropped, add, reader, look, backlog } = scene();
    reader("later");
    add("a", "b", "c", "d", "e");
    assert.equal(backlog.flush(), "later");
    reader("done");
    look();
    add("f");
    assert.deepEqual(taken, ["a", "b", "c", "2 missing", "f"]);
    assert.deepEqual(dropped, [2]);
  });

  it("drops what comes after what it has dropped also when there is room again, so that the count stands in its place", () => {
    const { taken, add, look, room } = scene();
    room(0);
    add("a", "b", "c", "d");
    room(1);
    look();
    add("e");
    room(Number.POSITIVE_INFINITY);
    look();
    assert.deepEqual(taken, ["a", "b", "c", "2 missing"]);
  });

  it("looks after its reader with one timer, for as long as he does not read", () => {
    const { timers, add, reader, look } = scene();
    reader("later");
    add("a", "b", "c");
    assert.equal(timers.length, 1);
    look();
    assert.equal(timers.length, 1);
    reader("done");
    look();
    assert.equal(timers.length, 0);
  });

  it("looks again soon after a reader who has begun to read, and has little room", () => {
    const { taken, intervals, add, look, room } = scene();
    room(0);
    add("a", "b", "c");
    look();
    room(1);
    look();
    assert.deepEqual(taken, ["a"]);
    look();
    assert.deepEqual(intervals, [100, 100, 5, 100]);
  });

  it("tries what fails again with the next parcel alone", () => {
    const { taken, timers, add, reader, backlog } = scene();
    reader("failed");
    add("a", "b");
    assert.deepEqual([timers.length, backlog.stalledSince()], [0, null]);
    reader("done");
    add("c");
    assert.deepEqual(taken, ["a", "b", "c"]);
  });

  it("knows since when nobody reads", () => {
    const { add, reader, look, backlog } = scene();
    reader("later", 5);
    add("a");
    reader("later", 9);
    look();
    assert.equal(backlog.stalledSince(), 5);
    reader("done");
    look();
    assert.equal(backlog.stalledSince(), null);
  });
});
