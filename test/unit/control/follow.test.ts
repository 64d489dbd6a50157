import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, it } from "node:test";
import { followEvents, type LineSink } from "../../../src/control/follow.ts";
import { createEventRing } from "../../../src/status/events.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

/** A connection that takes nothing more from the moment on at which it is full. */
class Sink extends EventEmitter implements LineSink {
  readonly seen: number[] = [];
  isFull = false;
  isDestroyed = false;

  write(text: string): boolean {
    assert.ok(text.endsWith("\n"));
    this.seen.push(JSON.parse(text).seq);
    return !this.isFull;
  }

  destroy(): void {
    this.isDestroyed = true;
    this.emit("close");
  }
}

function start(keep: number) {
  const ring = createEventRing({ clock: createFakeClock() }, keep);
  const add = (count: number) => {
    for (let index = 0; index < count; index++) ring.record("info", "it happened", {});
  };
  return { ring, add, sink: new Sink() };
}

describe("somebody who follows the events", () => {
  it("gets those that were, and each as it comes", () => {
    const { ring, add, sink } = start(10);
    add(3);
    followEvents(1, ring, sink);
    add(2);
    assert.deepEqual(sink.seen, [2, 3, 4, 5]);
  });

  it("gets no more than he takes, and the rest when he is ready", () => {
    const { ring, add, sink } = start(10);
    followEvents(0, ring, sink);
    sink.isFull = true;
    add(5);
    assert.deepEqual(sink.seen, [1]);
    sink.isFull = false;
    sink.emit("drain");
    assert.deepEqual(sink.seen, [1, 2, 3, 4, 5]);
    add(1);
    assert.deepEqual(sink.seen.at(-1), 6);
  });

  it("is let go when he is so slow that events are gone before he took them", () => {
    const { ring, add, sink } = start(4);
    followEvents(0, ring, sink);
    sink.isFull = true;
    add(20);
    sink.isFull = false;
    sink.emit("drain");
    assert.deepEqual([sink.seen, sink.isDestroyed], [[1], true]);
  });

  it("is not let go for what was gone before he came", () => {
    const { ring, add, sink } = start(4);
    add(20);
    followEvents(0, ring, sink);
    add(1);
    assert.deepEqual([sink.seen, sink.isDestroyed], [[17, 18, 19, 20, 21], false]);
  });

  it("is written nothing once he has gone", () => {
    const { ring, add, sink } = start(4);
    followEvents(0, ring, sink);
    sink.emit("close");
    add(1);
    assert.deepEqual(sink.seen, []);
  });
});
