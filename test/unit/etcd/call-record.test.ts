import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seconds } from "../../../src/base/brand.ts";
import { FlannelError } from "../../../src/base/errors.ts";
import { recordingCalls } from "../../../src/etcd/call-record.ts";
import type { Endpoint } from "../../../src/etcd/endpoint.ts";
import type { Failover } from "../../../src/etcd/failover.ts";
import { createFakeClock, type FakeClock } from "../../fakes/fake-clock.ts";

const unavailable = () => new FlannelError("etcd.unavailable", { op: "test", reason: "nobody there" });

/** Calls that take this long, and end as the test says. */
function start(clock: FakeClock) {
  const stop = new AbortController();
  let outcome: () => unknown = () => "done";
  const failover: Failover = {
    leave: () => {},
    giveUp: () => {},
    async attempt(_purpose, _attempt, signal) {
      await clock.sleep(seconds(2), signal);
      return outcome() as never;
    },
  };
  const record = recordingCalls(failover, { clock });
  const call = async (method: string, end: () => unknown) => {
    outcome = end;
    const purpose = { op: "test", method, repeatable: true };
    const called = record.attempt(purpose, async () => null, stop.signal).catch((error: unknown) => error);
    await clock.advance(2000);
    return called;
  };
  return { record, call, stop, endpoint: {} as Endpoint };
}

describe("the record of calls to etcd", () => {
  it("counts them by method with the time that answers took, and errors by their code", async () => {
    const { record, call } = start(createFakeClock());
    await call("range", () => "done");
    await call("range", () => "done");
    await call("txn", () => {
      throw unavailable();
    });
    const [range, txn, ...others] = record.calls().methods;
    assert.deepEqual([range?.op, range?.seconds.count, range?.seconds.sum, range?.errors], ["range", 2, 4, []]);
    assert.deepEqual([txn?.op, txn?.seconds.count, txn?.errors], ["txn", 0, [{ code: "etcd.unavailable", count: 1 }]]);
    assert.deepEqual(others, []);
  });

  it("knows the last answer and the last failure, and whether the newest call has failed", async () => {
    const clock = createFakeClock();
    const { record, call } = start(clock);
    assert.deepEqual([record.trouble(), record.calls().lastAnswer, record.calls().lastFailure], [null, null, null]);
    await call("range", () => "done");
    const answered = clock.now();
    await call("range", () => {
      throw unavailable();
    });
    assert.equal(record.trouble(), unavailable().message);
    assert.deepEqual(record.calls().lastFailure, { at: clock.now(), reason: unavailable().message });
    assert.equal(record.calls().lastAnswer, answered);
    await call("range", () => "done");
    assert.equal(record.trouble(), null);
    assert.equal(record.calls().lastFailure?.reason, unavailable().message);
  });

  it("does not count what its caller has stopped", async () => {
    const clock = createFakeClock();
    const { record, call, stop } = start(clock);
    stop.abort(new Error("stopped"));
    await call("range", () => "done");
    assert.deepEqual(
      [record.trouble(), record.calls().lastFailure, record.calls().methods[0]?.errors],
      [null, null, []],
    );
  });

  it("counts a stream that was lost, and takes what comes on one for an answer", () => {
    const clock = createFakeClock();
    const { record } = start(clock);
    record.answered();
    assert.equal(record.calls().lastAnswer, clock.now());
    record.failed("watch", unavailable());
    assert.equal(record.trouble(), unavailable().message);
    assert.deepEqual(record.calls().methods[0]?.errors, [{ code: "etcd.unavailable", count: 1 }]);
  });
});
