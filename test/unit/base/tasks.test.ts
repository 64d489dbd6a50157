import assert from "node:assert/strict";
import { test } from "node:test";
import { mapInParallel, runTasks, type Task } from "../../../src/base/tasks.ts";

const untilStopped: Task = (signal) =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

test("tasks run side by side until the signal aborts, and resolving or rejecting then is clean", async () => {
  const stop = new AbortController();
  const resolving: Task = (signal) => untilStopped(signal).catch(() => {});
  const run = runTasks({ resolving, rejecting: untilStopped }, stop.signal);
  stop.abort(new Error("stopped"));
  await run;
});

test("a task that fails stops the others, and its error is thrown once all have ended", async () => {
  let ended = false;
  const slow: Task = async (signal) => {
    await untilStopped(signal).catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    ended = true;
  };
  const failing: Task = async () => {
    throw new Error("no etcd");
  };
  await assert.rejects(runTasks({ slow, failing }, new AbortController().signal), /no etcd/);
  assert.equal(ended, true);
});

test("what fails after the first failure does not hide it", async () => {
  const failing: Task = async () => {
    throw new Error("the cause");
  };
  const following: Task = (signal) =>
    untilStopped(signal).catch(() => {
      throw new Error("the consequence");
    });
  await assert.rejects(runTasks({ following, failing }, new AbortController().signal), /the cause/);
});

test("a task that returns before it was stopped is named as a bug", async () => {
  const returning: Task = async () => {};
  const run = runTasks({ returning, waiting: untilStopped }, new AbortController().signal);
  await assert.rejects(run, /task returning returned before it was stopped/);
});

test("items are worked on a few at a time, and the results are in their order", async () => {
  let [running, most] = [0, 0];
  const work = async (item: number) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    return item * 2;
  };
  const items = [...Array(20).keys()];
  assert.deepEqual(
    await mapInParallel(items, 3, work, new AbortController().signal),
    items.map((item) => item * 2),
  );
  assert.equal(most, 3);
  assert.deepEqual(await mapInParallel([], 3, work, new AbortController().signal), []);
});

test("the first item that fails stops the others, and no more are begun", async () => {
  const begun: number[] = [];
  const work = async (item: number, signal: AbortSignal) => {
    begun.push(item);
    if (item === 1) throw new Error("no etcd");
    await untilStopped(signal);
  };
  await assert.rejects(mapInParallel([0, 1, 2, 3], 2, work, new AbortController().signal), /no etcd/);
  assert.deepEqual(begun, [0, 1]);
});

test("items are left when the signal aborts, with its reason", async () => {
  const stop = new AbortController();
  const work = (_: number, signal: AbortSignal) => untilStopped(signal);
  const mapped = mapInParallel([0, 1, 2], 1, work, stop.signal);
  stop.abort(new Error("stopped"));
  await assert.rejects(mapped, /stopped/);
});
