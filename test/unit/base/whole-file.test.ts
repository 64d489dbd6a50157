import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { writeNewFile } from "../../../src/base/whole-file.ts";

describe("writeNewFile()", () => {
  const directory = mkdtempSync(join(tmpdir(), "flanneld-whole-file-"));
  after(() => rmSync(directory, { recursive: true, force: true }));

  it("takes nobody's place, and leaves nothing half done", async () => {
    const path = join(directory, "x");
    await writeNewFile(path, Buffer.from("one"));
    await assert.rejects(writeNewFile(path, Buffer.from("two")), {
      code: "request.refused",
      message: `cannot write ${path}: there is a file already`,
    });
    assert.equal(readFileSync(path, "utf8"), "one");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(directory), ["x"]);
  });

  it("says which directory is missing, and why else nothing could be written", async () => {
    const missing = join(directory, "none/x");
    await assert.rejects(writeNewFile(missing, Buffer.from("x")), {
      code: "file.unwritable",
      message: `cannot write ${missing}: there is no directory ${join(directory, "none")}`,
    });
    const below = join(directory, "x/y");
    await assert.rejects(writeNewFile(below, Buffer.from("x")), { code: "file.unwritable", message: /ENOTDIR/ });
  });
});
