import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Complaint, createComplaint } from "../../../src/base/complaint.ts";
import { type CapturedLog, createCapturedLog } from "../../fakes/captured-log.ts";
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

describe("a complaint that is raised every two seconds for a day", () => {
  const linesOfADay = async (turn: (complaint: Complaint, second: number) => void): Promise<CapturedLog> => {
    const log = createCapturedLog();
    const clock = createFakeClock();
    const complaint = createComplaint(TEXTS, { clock, log });
    for (let second = 0; second < 86_400; second += 2) {
      turn(complaint, second);
      await clock.advance(2000);
    }
    return log;
  };

  it("is a few hundred lines at most when its reasons alternate, and each is told", async () => {
    const { lines } = await linesOfADay((complaint, second) =>
      complaint.raise(second % 4 === 0 ? "refused" : "silence"),
    );
    assert.ok(lines.length < 80, `${lines.length} lines`);
    assert.deepEqual(new Set(lines.map(({ fields }) => fields.reason)), new Set(["refused", "silence"]));
  });

  it("is a few hundred lines at most when every reason is another", async () => {
    const { lines } = await linesOfADay((complaint, second) => complaint.raise(`at ${second}`));
    assert.ok(lines.length > 20 && lines.length < 400, `${lines.length} lines`);
  });

  it("is a few hundred lines at most when the condition comes and goes", async () => {
    const log = await linesOfADay((complaint, second) => {
      if (second % 4 === 0) complaint.raise("refused");
      else complaint.settle();
    });
    assert.ok(log.lines.length > 20 && log.lines.length < 100, `${log.lines.length} lines`);
    assert.equal(log.messages("warn").length, log.messages("info").length);
  });

  it("is told in the end when it comes back soon and then stays", async () => {
    const log = await linesOfADay((complaint, second) =>
      second === 2 ? complaint.settle() : complaint.raise("refused"),
    );
    assert.deepEqual(log.messages().slice(0, 3), [TEXTS.raised, TEXTS.settled, TEXTS.raised]);
    assert.ok(log.lines.length < 40, `${log.lines.length} lines`);
  });
});
