import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { attempt } from "../../../lab/run.ts";

interface Report {
  readCounts(tap: string): object | null;
  readFailures(tap: string): readonly { readonly name: string; readonly where: string; readonly error: string }[];
}

const { signal } = new AbortController();
const report = (await import(join(import.meta.dirname, "../../../../scripts/tap-report.mjs"))) as Report;

/** What this Node's own runner reports of tests. */
async function reportOf(source: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "flanneld-test-"));
  const file = join(directory, "some.test.js");
  try {
    writeFileSync(file, `const { it, describe, before } = require("node:test");\n${source}\n`);
    // Node: a runner that finds this believes that it is a part of ours.
    const alone = ["env", "--unset=NODE_TEST_CONTEXT"];
    return (await attempt([...alone, process.execPath, "--test", "--test-reporter=tap", file], {}, signal)).stdout;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe("the report of a run of tests", () => {
  it("names each test that failed by itself, and why", async () => {
    const tap = await reportOf(`
      describe("a # suite", () => {
        it("passes", () => {});
        it("it's #1", () => { throw new Error("it's over"); });
        it("says much", () => { throw new Error(Array.from({ length: 20 }, (_, index) => "line " + index).join("\\n")); });
        it("lasts", { timeout: 20 }, () => new Promise((done) => setTimeout(done, 500)));
      });
      describe("a suite that cannot begin", () => {
        before(() => { throw new Error("no network"); });
        it("is not reached", () => {});
      });
    `);
    const failures = report.readFailures(tap);
    const much = [...Array.from({ length: 12 }, (_, index) => `line ${index}`), "…"].join("\n");
    assert.deepEqual(
      failures.map(({ name, error }) => [name, error]),
      [
        ["it's #1", "it's over"],
        ["says much", much],
        ["lasts", "test timed out after 20ms"],
        ["a suite that cannot begin", "no network"],
      ],
    );
    assert.match(failures[0]?.where ?? "", /some\.test\.js:\d+:\d+$/);
    assert.deepEqual(report.readCounts(tap), { passed: 1, failed: 4, skipped: 0, empty: [] });
  });

  it("counts a file without a test as failed, and has no sums when it was cut short", async () => {
    const tap = await reportOf("");
    const counts = report.readCounts(tap) as { readonly empty: readonly string[]; readonly failed: number };
    assert.equal(counts.failed, 1);
    assert.match(counts.empty[0] ?? "", /some\.test\.js$/);
    assert.equal(report.readCounts(tap.slice(0, tap.indexOf("# pass"))), null);
  });
});
