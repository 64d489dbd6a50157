import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

describe("the bundle", () => {
  it("requires Node's own modules also where they are loaded late: the packaged executable cannot import() them", () => {
    // This file runs from dist/test/unit/scripts.
    const bundle = readFileSync(join(import.meta.dirname, "../../../flanneld.cjs"), "utf8");
    assert.match(bundle, /require\("node:http"\)/);
    assert.deepEqual(bundle.match(/\bimport\("node:\w+"\)/g), null);
  });
});
