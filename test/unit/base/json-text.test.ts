import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isError } from "../../../src/base/errors.ts";
import { parseJson } from "../../../src/base/json-text.ts";

function complaint(text: string): string {
  try {
    parseJson(text);
  } catch (error) {
    if (isError(error, "config.invalid")) return error.message;
    throw error;
  }
  return "accepted";
}

describe("JSON text", () => {
  test("a mistake is reported with its place and what was expected there", () => {
    const cases: [string, string][] = [
      ["", "line 1, column 1: unexpected end of JSON input, expected a value"],
      ['{"a": 1', "line 1, column 8: unexpected end of JSON input, expected a comma or }"],
      ['{"a": 1,}', 'line 1, column 9: not valid JSON: expected a name in double quotes but found "}"'],
      ['{\n  "a": 1\n  "b": 2\n}', 'line 3, column 3: not valid JSON: expected a comma or } but found "\\""'],
      ['{"Network": 10.3.0.0/16}', 'line 1, column 17: not valid JSON: expected a comma or } but found "."'],
      ["{'a': 1}", `line 1, column 2: not valid JSON: expected a name in double quotes but found "'"`],
      ['{"a" 1}', 'line 1, column 6: not valid JSON: expected a colon after "a" but found "1"'],
      ["[1 2]", 'line 1, column 4: not valid JSON: expected a comma or ] but found "2"'],
      ['{"a": yes}', 'line 1, column 7: not valid JSON: expected a value but found "y"'],
      ['{"a": "b\n"}', 'line 1, column 7: not valid JSON: expected a valid string but found "\\""'],
      ["{} {}", 'line 1, column 4: not valid JSON: expected the end but found "{"'],
    ];
    for (const [text, expected] of cases) assert.equal(complaint(text), expected);
  });

  test("every JSON document is read as JSON.parse reads it", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        assert.deepEqual(parseJson(text), JSON.parse(text));
        assert.deepEqual(parseJson(` \r\n\t${text}\n`), JSON.parse(text));
      }),
    );
  });

  test("text is accepted exactly when JSON.parse accepts it, and refused with config.invalid only", () => {
    const pieces = [
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"',
      "\\",
      "\\u00e9",
      "1",
      "-",
      "0",
      ".5",
      "e1",
      "null",
      "tru",
      " ",
      "\n",
      "é",
    ];
    const broken = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(""));
    const damaged = fc.tuple(fc.json(), fc.nat(), fc.constantFrom(...pieces)).map(([text, at, piece]) => {
      const position = at % (text.length + 1);
      return text.slice(0, position) + piece + text.slice(position + 1);
    });
    fc.assert(
      fc.property(fc.oneof(broken, damaged, fc.string()), (text) => {
        assert.equal(complaint(text) === "accepted", isJson(text), text);
      }),
      { numRuns: 1000 },
    );
  });

  test("of equal keys the last wins and stands where it was written", () => {
    assert.deepEqual(Object.entries(parseJson('{"a": 1, "A": 2, "a": 3}') ?? {}), [
      ["A", 2],
      ["a", 3],
    ]);
  });

  test("a key named __proto__ is an ordinary key", () => {
    const value = parseJson('{"__proto__": {"x": 1}}') as object;
    assert.deepEqual(Object.keys(value), ["__proto__"]);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
  });

  test("a document nested too deeply is refused, not recursed into", () => {
    assert.match(complaint("[".repeat(1_000_000)), /nested more than 100 levels deep/);
  });

  test("a long string that never ends is refused in linear time", () => {
    assert.match(complaint(`"${"a".repeat(1_000_000)}`), /expected a valid string/);
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
