import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createEventRing, recordingLogger } from "../../../src/status/events.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

function ringOf(keep: number, count: number) {
  const ring = createEventRing({ clock: createFakeClock() }, keep);
  for (let index = 1; index <= count; index++) ring.record("info", `event ${index}`, {});
  return ring;
}

const numbers = (events: readonly { readonly seq: number }[]) => events.map(({ seq }) => seq);

describe("the events in memory", () => {
  it("are numbered from 1, with their time, level, kind and fields", () => {
    const ring = createEventRing({ clock: createFakeClock() });
    ring.record("warn", "lost the connection to etcd", { reason: "no answer" });
    assert.deepEqual(ring.after(0), [
      {
        seq: 1,
        at: "2024-01-01T00:00:00.000Z",
        level: "warn",
        kind: "lost the connection to etcd",
        fields: { reason: "no answer" },
      },
    ]);
  });

  it("are the last so many, however many there were", () => {
    for (const count of [3, 4, 5, 6, 7, 8, 9, 100]) {
      const ring = ringOf(4, count);
      const kept = Math.min(4, count);
      assert.deepEqual(
        numbers(ring.after(0)),
        Array.from({ length: kept }, (_, index) => count - kept + 1 + index),
      );
      assert.deepEqual(ring.counts(), { recorded: count, kept });
    }
  });

  it("are given from any number on", () => {
    assert.deepEqual(numbers(ringOf(4, 6).after(4)), [5, 6]);
    assert.deepEqual(numbers(ringOf(4, 6).after(6)), []);
    assert.deepEqual(numbers(ringOf(4, 6).after(99)), []);
  });

  it("are told of until nobody wants to hear", () => {
    const ring = ringOf(4, 0);
    let heard = 0;
    const listening = ring.onEvent(() => {
      heard += 1;
    });
    ring.record("info", "one", {});
    listening[Symbol.dispose]();
    ring.record("info", "two", {});
    assert.equal(heard, 1);
  });
});

describe("a logger that records", () => {
  it("hands everything on, and keeps all but debug", () => {
    const log = createCapturedLog();
    const ring = createEventRing({ clock: createFakeClock() });
    const recording = recordingLogger(log, ring);
    for (const level of ["error", "warn", "info", "debug"] as const) recording[level](`at ${level}`, { count: 1 });
    recording.info("without fields");
    assert.deepEqual(log.messages(), ["at error", "at warn", "at info", "at debug", "without fields"]);
    assert.deepEqual(
      ring.after(0).map(({ level, kind, fields }) => [level, kind, fields]),
      [
        ["error", "at error", { count: 1 }],
        ["warn", "at warn", { count: 1 }],
        ["info", "at info", { count: 1 }],
        ["info", "without fields", {}],
      ],
    );
  });
});
