import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";

interface Replacing {
  replaceFile(from: string, to: string): void;
}

const { replaceFile } = (await import(join(import.meta.dirname, "../../../../scripts/replace-file.mjs"))) as Replacing;

it("a file that the build replaces stays what it was to a process that has it open", () => {
  const directory = mkdtempSync(join(tmpdir(), "flanneld-test-"));
  const [from, to] = [join(directory, "built.node"), join(directory, "addon.node")] as const;
  try {
    writeFileSync(from, "new");
    writeFileSync(to, "old");
    const open = openSync(to, "r");
    try {
      replaceFile(from, to);
      assert.equal(readFileSync(open, "utf8"), "old");
    } finally {
      closeSync(open);
    }
    assert.equal(readFileSync(to, "utf8"), "new");
    assert.deepEqual(readdirSync(directory).toSorted(), ["addon.node", "built.node"]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
