import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createStreams, type StreamSink } from "../../../src/web/streams.ts";

describe("streams", () => {
  it("send a page that is slow the newest and nothing in between", () => {
    const streams = createStreams();
    const written: string[] = [];
    let drain = () => {};
    const sink: StreamSink = {
      write: (text) => {
        written.push(text);
        return false;
      },
      on: (event, listener) => {
        if (event === "drain") drain = listener;
      },
      destroy: () => {},
    };
    streams.send("1");
    streams.add(sink);
    streams.send("2");
    streams.send("3");
    streams.beat();
    assert.equal(written.length, 1);
    drain();
    assert.deepEqual(
      written.map((text) => /data: (.*)/.exec(text)?.[1]),
      ["1", "3"],
    );
    drain();
    assert.equal(written.length, 2);
  });

  it("let a page go that takes nothing for a minute, and none that takes its time", () => {
    const streams = createStreams();
    const drains: (() => void)[] = [];
    const ended: string[] = [];
    const add = (name: string) => {
      const closing: (() => void)[] = [];
      streams.add({
        write: () => false,
        on: (event, listener) => (event === "drain" ? drains : closing).push(listener),
        destroy: () => {
          ended.push(name);
          for (const close of closing) close();
        },
      });
    };
    streams.send("1");
    add("slow");
    add("stuck");
    for (let beats = 0; beats < 5; beats += 1) streams.beat();
    streams.send("2");
    drains[0]?.();
    streams.beat();
    assert.deepEqual([ended, streams.count()], [["stuck"], 1]);
    for (let beats = 0; beats < 5; beats += 1) streams.beat();
    assert.deepEqual([ended, streams.count()], [["stuck", "slow"], 0]);
  });
});
