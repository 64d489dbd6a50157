import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { attempt } from "../../../lab/run.ts";

const { signal } = new AbortController();
const SETUP = join(import.meta.dirname, "../../../../scripts/setup");
let directory = "";

before(() => {
  directory = mkdtempSync(join(tmpdir(), "flanneld-test-"));
});
after(() => rmSync(directory, { recursive: true }));

/** A command of that name that prints the words, found before the real one. */
function pretend(command: string, words: string): Readonly<Record<string, string>> {
  const path = join(directory, command);
  writeFileSync(path, `#!/bin/sh\necho ${words}\n`);
  chmodSync(path, 0o755);
  return { PATH: `${directory}:${process.env["PATH"]}` };
}

async function refuses(env: Readonly<Record<string, string>>, sentence: RegExp): Promise<void> {
  const { status, stdout, stderr } = await attempt([SETUP], { env }, signal);
  assert.match(stderr, sentence);
  assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
  assert.deepEqual([status, stdout], [1, ""]);
  rmSync(directory, { recursive: true });
  directory = mkdtempSync(join(tmpdir(), "flanneld-test-"));
}

describe("scripts/setup", () => {
  it("says in one sentence that it needs Linux", async () => {
    await refuses(pretend("uname", "Darwin"), /^setup: flanneld runs on Linux only, and this is Darwin\.$/m);
  });

  it("says in one sentence that it needs root", async () => {
    await refuses(pretend("id", "1000"), /^setup: this needs root.*run it again with sudo or as root\.$/m);
  });

  it("says in one sentence that it needs a newer Node.js, and which one it found", async () => {
    const env = { ...pretend("id", "0"), ...pretend("node", "v18.19.0") };
    await refuses(env, /^setup: Node\.js 20 or newer is needed, and this is v18\.19\.0: .*$/m);
  });
});
