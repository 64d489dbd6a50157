import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseStreamLine } from "../../../lab/echo-stream.ts";

describe("parseStreamLine", () => {
  it("reads how far all is known, and a lost packet", () => {
    assert.deepEqual(parseStreamLine("judged 1795619009949 125"), { kind: "judged", until: 1795619009949, count: 125 });
    const packet = { number: 7, sentAt: 1795619009949 };
    assert.deepEqual(parseStreamLine("lost 7 1795619009949"), { kind: "lost", packet });
  });

  it("throws for anything else", () => {
    for (const line of ["", "lost", "lost 7", "judged x 1", "found 7 8"]) {
      assert.throws(() => parseStreamLine(line), /echo-stream said/);
    }
  });
});
