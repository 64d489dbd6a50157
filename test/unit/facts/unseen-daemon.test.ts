import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { it } from "node:test";
import { readDaemons } from "../../../src/facts/proc.ts";
import { lockName } from "../../../src/instance-lock.ts";

it("a flanneld is known by its network's lock where no process of the name is seen", async () => {
  const prefix = `/unseen/${process.pid}`;
  const find = async () => {
    const daemons = await readDaemons();
    // Without root another flanneld of this machine may be in any network namespace.
    if (!daemons.known) return null;
    // Node: up to version 20 it fills the name up with zero bytes, which the kernel shows as more of "@".
    return daemons.value.filter((daemon) => daemon.prefix?.replace(/@+$/, "") === prefix).map(({ pid }) => pid);
  };
  const lock = createServer();
  const before = await find();
  // Kernel: an abstract name begins with a zero byte.
  lock.listen(`\0${lockName(prefix)}`);
  await once(lock, "listening");
  try {
    const found = await find();
    assert.deepEqual([before, found], found === null ? [null, null] : [[], [null]]);
  } finally {
    lock.close();
  }
});
