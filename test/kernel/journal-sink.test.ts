import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { type OutputFunctions, openPatientSink } from "../../src/journal-sink.ts";
import { whyNotHere } from "../support/namespace.ts";
import { openNative } from "../support/native.ts";
import { openStalledPipe, openStalledSocket, type StalledReader } from "../support/stalled-reader.ts";

const { signal } = new AbortController();
const LIMIT = seconds(20);

function sinkOf(descriptor: number, native: () => OutputFunctions = openNative) {
  const sink = openPatientSink(descriptor, native, systemClock);
  const dropped: number[] = [];
  sink.onDropped((count) => {
    dropped.push(count);
    sink.write(`${count} missing\n`);
  });
  return { sink, dropped };
}

const reads = (reader: StalledReader, last: string) =>
  waitFor(last, () => (reader.text().endsWith(last) ? reader.text() : null), LIMIT, signal);

const KINDS: readonly (readonly [string, () => StalledReader | Promise<StalledReader>])[] = [
  ["a pipe", openStalledPipe],
  ["a socket", openStalledSocket],
];

describe("what the daemon logs", { skip: whyNotHere() }, () => {
  for (const [kind, open] of KINDS) {
    it(`waits for the reader of ${kind} and gets there whole and in order, with what is missing`, async () => {
      using reader = await open();
      const { sink, dropped } = sinkOf(reader.descriptor);
      // Longer than a pipe takes at once, and more than is kept.
      const lines = Array.from({ length: 300 }, (_, number) => `${number} ${"x".repeat(10_000)}\n`);
      for (const line of lines) sink.write(line);
      assert.ok(sink.stalled() !== null);
      reader.read();
      const text = await reads(reader, " missing\n");
      const [count = 0] = dropped;
      assert.ok(count > 0 && count < lines.length);
      assert.equal(text, `${lines.slice(0, lines.length - count).join("")}${count} missing\n`);
      sink.write("more\n");
      await reads(reader, " missing\nmore\n");
      assert.equal(sink.stalled(), null);
    });
  }

  it("leaves what is shared with other processes as it is", () => {
    using reader = openStalledPipe();
    const flags = () => /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${reader.descriptor}`, "utf8"))?.[1];
    const before = flags();
    const { sink } = sinkOf(reader.descriptor);
    sink.write("a\n");
    assert.ok(sink.stalled() !== null);
    assert.equal(flags(), before);
  });

  it("is waited for when the program ends, but not for long", () => {
    using reader = openStalledPipe();
    const { sink } = sinkOf(reader.descriptor);
    sink.write("a\n");
    const start = systemClock.monotonic();
    sink.finish();
    const waited = systemClock.monotonic() - start;
    assert.ok(waited >= 1000 && waited < 10_000, `${waited} ms`);
  });

  it("holds up nothing on a full disk, or when nobody is left to read", () => {
    const full = openSync("/dev/full", "w");
    const { sink } = sinkOf(full);
    for (let count = 0; count < 1000; count += 1) sink.write(`${"x".repeat(4096)}\n`);
    sink.finish();
    closeSync(full);
    const reader = openStalledPipe();
    const gone = sinkOf(reader.descriptor);
    reader[Symbol.dispose]();
    for (let count = 0; count < 100; count += 1) gone.sink.write("x\n");
    gone.sink.finish();
  });

  it("has a pipe told that has room from one that has none", async () => {
    using reader = openStalledPipe();
    const { isWritable } = openNative();
    assert.equal(isWritable(reader.descriptor), false);
    reader.read();
    await waitFor("room", () => isWritable(reader.descriptor) || null, LIMIT, signal);
    const file = openSync("/dev/null", "w");
    assert.equal(isWritable(file), true);
    closeSync(file);
  });
});
