import assert from "node:assert/strict";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { attempt } from "../../../lab/run.ts";

const { signal } = new AbortController();
const LAUNCHER = join(import.meta.dirname, "../../../../bin/flanneld");
let root = "";

/** An installation whose daemon only says how it was started. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "flanneld-test-"));
  mkdirSync(join(root, "bin"));
  mkdirSync(join(root, "dist"));
  cpSync(LAUNCHER, join(root, "bin/flanneld"));
  writeFileSync(
    join(root, "dist/flanneld.cjs"),
    "console.log(JSON.stringify({ argv: process.argv.slice(1), flags: process.execArgv, arenas: process.env.MALLOC_ARENA_MAX }))",
  );
});
afterEach(() => rmSync(root, { recursive: true }));

describe("bin/flanneld", () => {
  it("starts the built daemon with its arguments and its memory settings, also through a symbolic link", async () => {
    symlinkSync(join(root, "bin/flanneld"), join(root, "link"));
    const { stdout } = await attempt([join(root, "link"), "-v=1", "two words"], {}, signal);
    assert.deepEqual(JSON.parse(stdout), {
      argv: [join(root, "dist/flanneld.cjs"), "-v=1", "two words"],
      flags: ["--max-semi-space-size=4", "--v8-pool-size=1"],
      arenas: "1",
    });
  });

  it("says what to do when the daemon is not built", async () => {
    rmSync(join(root, "dist/flanneld.cjs"));
    const { status, stderr } = await attempt([join(root, "bin/flanneld")], {}, signal);
    assert.equal(stderr, `flanneld: ${root}/dist holds no built flanneld.cjs: run npm run build there\n`);
    assert.equal(status, 78);
  });

  it("says what it needs when Node.js is too old", async () => {
    writeFileSync(join(root, "node"), "#!/bin/sh\necho v18.19.0\n");
    chmodSync(join(root, "node"), 0o755);
    const env = { PATH: `${root}:${process.env["PATH"]}` };
    const { status, stderr } = await attempt([join(root, "bin/flanneld")], { env }, signal);
    assert.equal(stderr, "flanneld: Node.js 20 or newer is needed, and this is v18.19.0\n");
    assert.equal(status, 78);
  });
});
