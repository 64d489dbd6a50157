import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compileInterfaceRegex } from "../../../src/cli/interface-regex.ts";

function matches(source: string, text: string): boolean {
  const pattern = compileInterfaceRegex(source);
  assert.ok(pattern instanceof RegExp, String(pattern));
  return pattern.test(text);
}

describe("compileInterfaceRegex()", () => {
  it("searches anywhere in the text", () => {
    assert.ok(matches("192\\.168\\.\\d+", "x192.168.7"));
    assert.ok(!matches("^eth\\d+$", "veth0"));
  });

  it("understands RE2's leading flags", () => {
    assert.ok(matches("(?i)^ETH", "eth0"));
    assert.ok(matches("(?is)^ETH.", "eth\n"));
    assert.ok(matches("(?ii)^ETH", "eth0"));
    assert.ok(!matches("^ETH", "eth0"));
  });

  it("says in words why a pattern does not compile", () => {
    assert.equal(compileInterfaceRegex("["), "is not a regular expression: Unterminated character class");
    assert.match(String(compileInterfaceRegex("(a")), /^is not a regular expression: \w/);
  });

  it("refuses what means something else in JavaScript than in RE2", () => {
    for (const source of ["eth[[:digit:]]", "\\Aeth0\\z", "\\Qeth0\\E", "\\pL", "(?i)\\Aeth", "\\x{41}"]) {
      assert.match(String(compileInterfaceRegex(source)), /is not supported here/, source);
    }
  });

  it("does not mistake an escaped backslash for such an escape", () => {
    assert.ok(matches("\\\\A", "\\A"));
  });
});
