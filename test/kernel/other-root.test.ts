// What is seen from here of a daemon in a mount namespace of its own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { placeOf, rootOf } from "../../src/facts/other-root.ts";
import { readDaemons } from "../../src/facts/proc.ts";
import { readSubnetFile } from "../../src/subnet/subnet-file.ts";
import { whyNotHere } from "../support/namespace.ts";

const { signal } = new AbortController();

describe("the files of a daemon in a mount namespace of its own", { skip: whyNotHere() }, () => {
  it("are read where it has them, and by their own name where they are the same", async () => {
    const directory = mkdtempSync(join(tmpdir(), "flannel-root-"));
    const [program, apart, both] = ["flanneld", "apart", "both"].map((name) => join(directory, name));
    assert.ok(program && apart && both);
    // Kernel: a process has the name of the file that it was started from.
    copyFileSync("/bin/sleep", program);
    mkdirSync(apart);
    writeFileSync(join(apart, "subnet.env"), "ours");
    writeFileSync(both, "");
    const script = `mount -t tmpfs none ${apart} && echo theirs > ${apart}/subnet.env && exec ${program} 60`;
    const env = { ...process.env, FLANNELD_SUBNET_FILE: join(apart, "subnet.env") };
    const daemon = spawn("unshare", ["--mount", "sh", "-c", script], { env, stdio: ["ignore", "ignore", "inherit"] });
    const ended = once(daemon, "exit");
    try {
      const found = await waitFor(
        "the daemon",
        async () => {
          const daemons = await readDaemons();
          return (daemons.known && daemons.value.find(({ pid }) => pid === daemon.pid)) || null;
        },
        seconds(30),
        signal,
      );
      assert.equal(found.root, `/proc/${daemon.pid}/root`);
      const [path = ""] = found.settings["subnet-file"]?.values ?? [];
      const place = await placeOf(path, found.root);
      assert.equal(place, `${found.root}${apart}/subnet.env`);
      assert.equal(await readSubnetFile(place), "theirs\n");
      assert.equal(await placeOf(both, found.root), both);
      assert.equal(await placeOf(join(directory, "nowhere"), found.root), join(directory, "nowhere"));
      assert.equal(await rootOf(process.pid), "");
    } finally {
      daemon.kill("SIGKILL");
      await ended;
      rmSync(directory, { recursive: true });
    }
  });
});
