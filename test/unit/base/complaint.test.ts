import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createComplaint } from "../../../src/base/complaint.ts";
import { createCapturedLog } from "../../fakes/captured-log.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";

const TEXTS = { raised: "etcd is away", settled: "etcd is back" };

describe("a complaint", () => {
  it("is logged when it begins, when its reason changes, and when it is over", () => {
    const log = createCapturedLog();
    const complaint = createComplaint(TEXTS, { clock: createFakeClock(), log });
    for (const reason of ["refused", "refused", "timed out", "timed out"]) complaint.raise(reason);
    complaint.settle();
    complaint.settle();
    assert.deepEqual(log.messages(), ["etcd is away", "etcd is away", "etcd is back"]);
  });

  it("is repeated at growing intervals, so that a day is some dozens of lines", async () => {
    const log = createCapturedLog();
    const clock = createFakeClock();
    const complaint = createComplaint(TEXTS, { clock, log });
    for (let second = 0; second < 86_400; second += 2) {
      complaint.raise("refused");
      await clock.advance(2000);
    }
    assert.ok(log.lines.length > 20 && log.lines.length < 40, `${log.lines.length} lines`);
  });

  it("says nothing when it was never raised", () => {
    const log = createCapturedLog();
    createComplaint(TEXTS, { clock: createFakeClock(), log }).settle();
    assert.deepEqual(log.lines, []);
  });
});
