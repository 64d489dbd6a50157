import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseEnvironmentFile, splitWords } from "../../../src/cli/environment-file.ts";
import { AWKWARD_FILE, AWKWARD_VARIABLES, AWKWARD_WORDS } from "../../support/environment-files.ts";

describe("an environment file", () => {
  it("is understood as systemd understands it", () => {
    assert.deepEqual(Object.fromEntries(parseEnvironmentFile(AWKWARD_FILE)), AWKWARD_VARIABLES);
  });

  it("that is the one of the package has no settings", () => {
    assert.deepEqual([...parseEnvironmentFile("# FLANNEL_OPTIONS=x\n\n  ; y=z\n")], []);
  });

  it("may be any text", () => {
    const piece = fc.constantFrom('"', "'", "\\", "=", "\n", "\r", " ", "#", "$", "a", "B", "\u0000");
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        for (const name of parseEnvironmentFile(pieces.join("")).keys()) assert.match(name, /^[aB]+$/);
      }),
    );
  });

  it("gives back any value in double quotes", () => {
    const text = fc.string().filter((value) => !/[^\P{Cc}\t\n]/u.test(value));
    fc.assert(
      fc.property(text, (value) => {
        const file = `A="${value.replaceAll(/["\\`$]/g, "\\$&")}"\nB=1\n`;
        assert.deepEqual(
          [...parseEnvironmentFile(file)],
          [
            ["A", value],
            ["B", "1"],
          ],
        );
      }),
    );
  });
});

describe("the words of a variable", () => {
  for (const [text, words] of AWKWARD_WORDS) {
    it(`are split as by systemd: ${JSON.stringify(text)}`, () => assert.deepEqual(splitWords(text), words));
  }

  it("are given back when each is quoted", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (words) => {
        const text = words.map((word) => `'${word.replaceAll(/['\\]/g, "\\$&")}'`).join(" ");
        assert.deepEqual(splitWords(text), words);
      }),
    );
  });
});
