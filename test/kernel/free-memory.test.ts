// Memory that was allocated, is free again and lies between what is in use: the kernel gets it back.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";

/**
 * Of the C library's allocator; every thousandth stays, so that nothing of it is at the end of its heap. V8 frees buffers
 * by a thread of its own, which the next collection waits for.
 */
const SCRIPT = `import { readFileSync } from "node:fs";
import { openNative } from ${JSON.stringify(join(import.meta.dirname, "../support/native.js"))};
const native = openNative();
const anonymous = () => Number(/RssAnon:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
const before = anonymous();
let buffers = Array.from({ length: 30_000 }, () => Buffer.allocUnsafeSlow(4000).fill(1));
const full = anonymous();
buffers = buffers.filter((_, index) => index % 1000 === 999);
gc();
gc();
const kept = anonymous();
native.releaseFreeMemory();
console.log(JSON.stringify({ before, full, kept, released: anonymous(), used: buffers.length }));`;

describe("memory that is free", () => {
  it("goes back to the kernel", () => {
    const words = ["--expose-gc", "--input-type=module", "-e", SCRIPT];
    const said = execFileSync(process.execPath, words, {
      encoding: "utf8",
      env: { ...process.env, MALLOC_ARENA_MAX: "1" },
    });
    const { before, full, kept, released } = JSON.parse(said) as Record<
      "before" | "full" | "kept" | "released",
      number
    >;
    assert.ok(full - before > 100_000, said);
    assert.ok(kept - before > 50_000, `the allocator keeps it, or this would be for nothing: ${said}`);
    assert.ok(released - before < 20_000, said);
  });
});
