// A short run of every fuzzer. Longer ones are by hand: npm run fuzz.

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { attempt } from "../../lab/run.ts";
import { minutes } from "../../src/base/brand.ts";
import { compileFuzzer, fuzzCommand, TARGETS } from "./fuzz.ts";
import { openDirectory } from "./program.ts";

const SECONDS = 4;

const directory = openDirectory();
const { signal } = new AbortController();

describe("the data path, fuzzed", () => {
  for (const target of TARGETS) {
    it(`does what it is to do with whatever comes from the ${target === "tun" ? "TUN device" : "peers"}`, async () => {
      const program = await compileFuzzer(directory, target);
      const command = fuzzCommand(program, target, join(directory, target), SECONDS);
      const { status, stderr } = await attempt(command, { limit: minutes(2) }, signal);
      // It tells its progress first, and where it keeps the input that has led to the failure last.
      if (status !== 0) assert.fail(stderr.slice(-8000));
      assert.match(stderr, /Done \d+ runs/);
    });
  }
});
