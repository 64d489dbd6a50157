import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, it } from "node:test";
import { compiledProgram } from "../../lab/compiled.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { isError } from "../../src/base/errors.ts";
import { lockInstance, lockName } from "../../src/instance-lock.ts";
import { nameHolder } from "../../src/netlink/socket-holder.ts";
import { processHasCapability } from "../../src/privilege.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { whyNotHere } from "../support/namespace.ts";
import { openNative } from "../support/native.ts";

const { signal } = new AbortController();
const NAME = "flanneld /test";

/** A process that takes the lock, and a child of its own that outlives it. */
async function holdElsewhere() {
  const text = `import { openNative } from ${JSON.stringify(join(import.meta.dirname, "../support/native.js"))};
    import { spawn } from "node:child_process";
    const lock = openNative().takeLock(${JSON.stringify(NAME)});
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    console.log(lock ? child.pid : "taken");
    setInterval(() => lock, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", text], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(holder.stdout, "data")) as [Buffer];
  return { holder, child: Number(line.toString()) };
}

/** Another program that has the name of this network's lock, as this user. */
async function squat(prefix: string, how: string, uid: number) {
  const words = [lockName(prefix), how, String(uid)];
  const squatter = spawn(compiledProgram("name-squatter"), words, { stdio: ["ignore", "pipe", "inherit"] });
  await once(squatter.stdout, "data");
  return { pid: squatter.pid, [Symbol.dispose]: () => void squatter.kill("SIGKILL") };
}

describe("the lock", { skip: whyNotHere() }, () => {
  it("is one process's until that lets go of it", () => {
    const native = openNative();
    const lock = native.takeLock(NAME) ?? assert.fail();
    assert.equal(native.takeLock(NAME), null);
    assert.deepEqual(native.lockHolder(NAME), { pid: process.pid, uid: process.getuid?.() });
    using _other = native.takeLock(`${NAME}2`) ?? assert.fail();
    lock[Symbol.dispose]();
    lock[Symbol.dispose]();
    assert.equal(native.lockHolder(NAME).pid, -1);
    using _again = native.takeLock(NAME) ?? assert.fail();
  });

  it("names its process however often it is asked, without an answer of that process", () => {
    const native = openNative();
    using _lock = native.takeLock(NAME) ?? assert.fail();
    for (let n = 0; n < 50; n++)
      assert.deepEqual(native.lockHolder(NAME), { pid: process.pid, uid: process.getuid?.() });
    for (let n = 0; n < 100; n++) assert.ok(native.lockHolder(NAME).pid >= 0);
  });

  it("ends with its process, also when that is killed and has children", async () => {
    const native = openNative();
    const { holder, child } = await holdElsewhere();
    try {
      assert.equal(native.lockHolder(NAME).pid, holder.pid);
      assert.equal(native.takeLock(NAME), null);
      holder.kill("SIGKILL");
      const lock = await waitFor("the lock", () => native.takeLock(NAME), seconds(10), signal);
      process.kill(child, 0);
      lock[Symbol.dispose]();
    } finally {
      holder.kill("SIGKILL");
      process.kill(child, "SIGKILL");
    }
  });

  for (const how of ["bound", "full"]) {
    it(`is kept from nobody by a user whose socket has its name and answers nobody (${how})`, async () => {
      const prefix = `/squatted/${how}`;
      const log = createCapturedLog();
      const mayChangeNetwork = (pid: number) => processHasCapability(pid, "CAP_NET_ADMIN");
      const deps = { native: openNative(), nameHolder, mayChangeNetwork, isTrusted: (uid: number) => uid === 0, log };
      {
        using squatter = await squat(prefix, how, 65_534);
        using _lock = await lockInstance(prefix, deps);
        assert.deepEqual([log.messages("warn").length, log.lines[0]?.fields.pid], [1, squatter.pid]);
      }
      using root = await squat(`${prefix}/root`, how, 0);
      await assert.rejects(
        lockInstance(`${prefix}/root`, deps),
        (error) => isError(error, "instance.running") && error.info.pid === root.pid,
      );
    });
  }

  it("refuses names that cannot be", () => {
    const native = openNative();
    assert.throws(() => native.takeLock(""), TypeError);
    assert.throws(() => native.takeLock(undefined as never), TypeError);
  });
});
