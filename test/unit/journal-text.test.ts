import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatLine } from "../../src/journal-text.ts";

const TIME = "2020-01-02T03:04:05.678Z";

function line(fields: Readonly<Record<string, unknown>>, level = "info", msg = "lease renewed"): string {
  return JSON.stringify({ level, time: TIME, ...fields, msg });
}

describe("formatLine()", () => {
  it("writes time, level, message and fields", () => {
    assert.equal(
      formatLine(line({ subnet: "10.5.1.0/24", count: 3 }), "plain"),
      `${TIME} INFO  lease renewed subnet=10.5.1.0/24 count=3\n`,
    );
  });

  it("writes a time as people read it", () => {
    assert.equal(formatLine(line({ ms: 900_000 }), "plain"), `${TIME} INFO  lease renewed duration=15m00s\n`);
    assert.equal(formatLine(line({ ms: "x" }), "plain"), `${TIME} INFO  lease renewed ms=x\n`);
  });

  it("pads the level, so that messages begin in one column", () => {
    const heads = ["error", "warn", "info", "debug"].map((level) => formatLine(line({}, level), "plain").slice(25, 31));
    assert.deepEqual(heads, ["ERROR ", "WARN  ", "INFO  ", "DEBUG "]);
  });

  it("leaves the time to journald and gives it the priority", () => {
    const lines = ["error", "warn", "info", "debug"].map((level) => formatLine(line({ count: 1 }, level), "journal"));
    assert.deepEqual(
      lines,
      [3, 4, 6, 7].map((priority) => `<${priority}>lease renewed count=1\n`),
    );
  });

  it("colours the level word and nothing else", () => {
    assert.equal(
      formatLine(line({ count: 1 }, "error"), "colour"),
      `${TIME} \u001b[31mERROR\u001b[0m lease renewed count=1\n`,
    );
    assert.equal(formatLine(line({ count: 1 }, "info"), "colour"), `${TIME} INFO  lease renewed count=1\n`);
  });

  const values: readonly (readonly [unknown, string])[] = [
    ["plain-text:1/2", "plain-text:1/2"],
    ["two words", '"two words"'],
    ["a=b", '"a=b"'],
    ['say "no"', '"say \\"no\\""'],
    ["", '""'],
    ["a\nb", '"a\\nb"'],
    ["\u001b[31m", '"\\u001b[31m"'],
    ["\u007f\u009b", '"\\u007f\\u009b"'],
    ["a\u2028b", '"a\\u2028b"'],
    ["größe", "größe"],
    [0, "0"],
    [true, "true"],
    [null, "null"],
    [{ a: 1 }, '"{\\"a\\":1}"'],
  ];
  for (const [value, text] of values) {
    it(`writes the value ${JSON.stringify(value)} as ${text}`, () => {
      assert.equal(formatLine(line({ reason: value }), "journal"), `<6>lease renewed reason=${text}\n`);
    });
  }

  it("makes one line without control characters of any message and any value", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (message, reason) => {
        const text = formatLine(line({ reason }, "info", message), "plain");
        assert.match(text, /^[^\p{Cc}\u2028\u2029]*\n$/u);
      }),
    );
  });

  it("loses nothing of a value", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (reason) => {
        const [, text = ""] = /reason=(.*)\n$/s.exec(formatLine(line({ reason }), "plain")) ?? [];
        assert.equal(text.startsWith('"') ? JSON.parse(text) : text, reason);
      }),
    );
  });
});
