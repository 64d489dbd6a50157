import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { attempt, CommandFailed, run } from "../../../lab/run.ts";
import { millis } from "../../../src/base/brand.ts";

const { signal } = new AbortController();

describe("run", () => {
  it("gives the command its input and returns what it prints", async () => {
    const { stdout, stderr } = await run(["sh", "-c", "cat; echo bad >&2"], { input: "good" }, signal);
    assert.deepEqual([stdout, stderr], ["good", "bad\n"]);
  });

  it("names the command, the status and the last words of one that fails", async () => {
    await assert.rejects(run(["sh", "-c", "echo why >&2; exit 3"], {}, signal), (error) => {
      assert.ok(error instanceof CommandFailed);
      assert.match(error.message, /^sh -c .*: exit status 3\nwhy$/);
      return error.output.status === 3;
    });
  });

  it("fails for a command that does not exist", async () => {
    await assert.rejects(run(["/no/such/command"], {}, signal), /ENOENT/);
  });

  it("does not mind a command that leaves its input unread", async () => {
    await run(["true"], { input: "x".repeat(1 << 20) }, signal);
  });

  it("kills a command that takes longer than its limit", async () => {
    await assert.rejects(
      run(["sleep", "60"], { limit: millis(20) }, signal),
      /^CommandFailed: sleep 60: no answer within 20 ms/,
    );
  });

  it("ends with the signal's reason when aborted, and only when the command has ended", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const running = run(["sh", "-c", "echo $$; exec sleep 60"], {}, controller.signal);
    controller.abort(reason);
    await assert.rejects(running, reason);
    await assert.rejects(run(["true"], {}, controller.signal), reason);
  });
});

describe("attempt", () => {
  it("returns a failure's status as a shell counts it", async () => {
    assert.equal((await attempt(["false"], {}, signal)).status, 1);
    assert.equal((await attempt(["sh", "-c", "kill -TERM $$"], {}, signal)).status, 128 + 15);
  });
});
