import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createStyle, escapeAllButLines, escapeControls, formatTable } from "../../../src/base/terminal-text.ts";

describe("formatTable", () => {
  it("aligns columns, numbers to the right, and leaves no blanks at the end of a line", () => {
    const rows = [
      ["", "to h1", "to h2"],
      ["from h1", "-", "0.1"],
      ["from h2", "10.25", "-"],
    ];
    assert.deepEqual(formatTable(rows), ["         to h1  to h2", "from h1  -        0.1", "from h2  10.25  -"]);
  });

  it("aligns numbers to the left where it is told to", () => {
    assert.deepEqual(
      formatTable(
        [
          ["1", "a"],
          ["10", "b"],
        ],
        () => false,
      ),
      ["1   a", "10  b"],
    );
  });

  it("aligns addresses as words", () => {
    assert.deepEqual(formatTable([["10.0.0.10"], ["10.0.0.1"]]), ["10.0.0.10", "10.0.0.1"]);
  });
});

describe("createStyle", () => {
  it("colours only for a terminal whose owner has not refused it", () => {
    assert.notEqual(createStyle({ isTTY: true }, {}).good("ok"), "ok");
    assert.equal(createStyle({ isTTY: true }, { NO_COLOR: "1" }).good("ok"), "ok");
    assert.equal(createStyle({ isTTY: true }, { TERM: "dumb" }).good("ok"), "ok");
    assert.equal(createStyle({}, {}).good("ok"), "ok");
  });
});

describe("escapeControls", () => {
  it("leaves nothing that steers a terminal or begins a line", () => {
    assert.equal(escapeControls("a\u001b[31mb\nc\u009bd\u2028é"), "a\\u001b[31mb\\u000ac\\u009bd\\u2028é");
  });
});

describe("escapeAllButLines", () => {
  it("keeps lines and tabs, and nothing else that is not text", () => {
    assert.equal(escapeAllButLines("{\r\n\t\u001b[2J\r}\n"), "{\r\n\t\\u001b[2J\\u000d}\n");
  });
});
