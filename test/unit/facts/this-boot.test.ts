import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir, uptime } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { isOfThisBoot } from "../../../src/facts/proc.ts";

it("a file is of this boot when it was written since the host was switched on", async () => {
  const directory = mkdtempSync(join(tmpdir(), "flanneld-boot-"));
  try {
    const path = join(directory, "subnet.env");
    assert.equal(await isOfThisBoot(path), false);
    writeFileSync(path, "");
    assert.equal(await isOfThisBoot(path), true);
    const before = Date.now() / 1000 - uptime() - 60;
    utimesSync(path, before, before);
    assert.equal(await isOfThisBoot(path), false);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
