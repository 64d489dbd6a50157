// A daemon that has ended and that nobody has waited for: in a container that is what is left of it for as long as the
// container's first process does not look.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { readDaemons } from "../../src/facts/proc.ts";
import { whyNotHere } from "../support/namespace.ts";

const { signal } = new AbortController();

describe("a daemon that has ended and is not waited for", { skip: whyNotHere() }, () => {
  it("is none, and nothing about the others is hidden for it", async () => {
    const directory = mkdtempSync(join(tmpdir(), "flannel-ended-"));
    // Kernel: a process has the name of the file that it was started from.
    const program = join(directory, "flanneld");
    copyFileSync("/bin/sleep", program);
    // What the shell becomes waits for no child; the shell might.
    const script = `${program} 60 & echo $!; exec sleep 600`;
    const parent = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "inherit"] });
    const gone = once(parent, "exit");
    const stat = (pid: number | undefined) => readFileSync(`/proc/${pid}/stat`, "utf8");
    try {
      const [printed] = await once(parent.stdout, "data");
      const pid = Number(String(printed));
      const isSleep = () => stat(parent.pid).startsWith(`${parent.pid} (sleep) `) || null;
      await waitFor("the shell to be another program", isSleep, seconds(30), signal);
      await waitFor("the daemon", () => stat(pid).startsWith(`${pid} (flanneld) `) || null, seconds(30), signal);
      process.kill(pid, "SIGKILL");
      await waitFor("its end", () => stat(pid).startsWith(`${pid} (flanneld) Z `) || null, seconds(30), signal);
      const daemons = await readDaemons();
      assert.ok(daemons.known, JSON.stringify(daemons));
      assert.ok(!daemons.value.some((one) => one.pid === pid));
    } finally {
      parent.kill("SIGKILL");
      await gone;
      rmSync(directory, { recursive: true });
    }
  });
});
