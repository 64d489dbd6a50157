import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isError } from "../../src/base/errors.ts";
import { carriedDevices, lockDevices, lockInstance, lockName } from "../../src/instance-lock.ts";
import type { LinkName } from "../../src/net/objects.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";

const PREFIX = "/coreos.com/network";
const NAME = lockName(PREFIX);
const LOCK: Disposable = { [Symbol.dispose]: () => {} };

/** A name that each attempt finds free (null), or taken by this process id. */
function start(
  holders: readonly (number | null)[],
  capable: (pid: number) => boolean | null,
  uid = 0,
  nameHolder: (name: string) => number | null = () => null,
) {
  const log = createCapturedLog();
  let attempt = -1;
  const native = {
    takeLock() {
      attempt += 1;
      return holders[attempt] === null ? LOCK : null;
    },
    lockHolder: () => ({ pid: holders[attempt] ?? assert.fail(), uid }),
  };
  const deps = { native, nameHolder, isTrusted: (user: number) => user === 0, log };
  return { log, lock: () => lockInstance(PREFIX, { ...deps, mayChangeNetwork: async (pid) => capable(pid) }) };
}

describe("the lock against a second daemon", () => {
  it("is had when nobody has it", async () => {
    assert.equal(await start([null], () => true).lock(), LOCK);
  });

  it("is refused with the process that has it, and what to do", async () => {
    await assert.rejects(start([77], () => true).lock(), (error) => {
      assert.ok(isError(error, "instance.running"));
      assert.match(
        error.message,
        /^another flanneld \(process 77\) .*\/coreos\.com\/network.*stop it, or .*--etcd-prefix$/,
      );
      return true;
    });
  });

  it("is refused, too, when the kernel cannot say whose it is", async () => {
    await assert.rejects(start([0], () => assert.fail()).lock(), /a process of another container/);
  });

  it("is not believed when it is that of a user of another container who is no daemon's", async () => {
    const host = start([0], () => assert.fail(), 1000);
    using _lock = await host.lock();
    assert.deepEqual([host.log.lines[0]?.level, host.log.lines[0]?.fields.pid], ["warn", 0]);
  });

  it("is tried again when its holder ends meanwhile", async () => {
    assert.equal(await start([-1, 77, null], () => null).lock(), LOCK);
  });

  it("is not believed when its holder cannot change the network: any user could keep the daemon from running", async () => {
    const host = start([77], () => false);
    using _lock = await host.lock();
    assert.deepEqual([host.log.lines[0]?.level, host.log.lines[0]?.fields.pid], ["warn", 77]);
  });

  for (const [answer, what] of [
    [0, "does not tell who it is"],
    [-1, "does not listen"],
  ] as const) {
    it(`is judged by its process, too, when that ${what}`, async () => {
      const holders = Array.from({ length: 20 }, () => answer);
      const lock = (capable: boolean) =>
        start(
          holders,
          () => capable,
          0,
          (name) => (name === NAME ? 77 : null),
        );
      await assert.rejects(lock(true).lock(), /process 77/);
      const squatted = lock(false);
      using _lock = await squatted.lock();
      assert.deepEqual([squatted.log.lines[0]?.level, squatted.log.lines[0]?.fields.pid], ["warn", 77]);
    });
  }

  it("is believed by its user when its holder is hidden from us", async () => {
    const hidden = Array.from({ length: 20 }, () => 77);
    await assert.rejects(start(hidden, () => null).lock(), /process 77/);
    using _lock = await start(hidden, () => null, 1000).lock();
  });

  it("of a device is let go of when another device's cannot be had", async () => {
    const held = new Set(["flanneld device flannel-v6.1"]);
    const native = {
      takeLock(name: string) {
        if (held.has(name)) return null;
        held.add(name);
        return { [Symbol.dispose]: () => void held.delete(name) };
      },
      lockHolder: () => ({ pid: 77, uid: 0 }),
    };
    const log = createCapturedLog();
    const deps = { native, nameHolder: () => null, mayChangeNetwork: async () => true, isTrusted: () => true, log };
    await assert.rejects(lockDevices(["flannel.1", "flannel-v6.1"], deps), (error) => {
      assert.ok(isError(error, "device.carried"));
      assert.match(
        error.message,
        /^another flanneld \(process 77\) already has the device flannel-v6\.1 .*another VNI/,
      );
      return true;
    });
    assert.deepEqual([...held], ["flanneld device flannel-v6.1"]);
    held.clear();
    using _locks = await lockDevices(["flannel.1", "flannel-v6.1"], deps);
    assert.equal(held.size, 2);
  });

  it("of a device tells which are another daemon's, by whoever may change the network", async () => {
    const holders = new Map([
      ["flanneld device flannel.1", { pid: 77, uid: 0 }],
      ["flanneld device flannel.2", { pid: 78, uid: 1000 }],
      ["flanneld device flannel.3", { pid: 0, uid: 0 }],
    ]);
    const native = {
      takeLock: () => assert.fail(),
      lockHolder: (name: string) => holders.get(name) ?? { pid: -1, uid: 0 },
    };
    const nameHolder = (name: string) => (name.endsWith(".4") ? 77 : null);
    const rights = { mayChangeNetwork: async (pid: number) => pid === 77, isTrusted: (uid: number) => uid === 0 };
    const deps = { native, nameHolder, ...rights };
    const devices = ["flannel.1", "flannel.2", "flannel.3", "flannel.4", "flannel.5"] as LinkName[];
    assert.deepEqual(await carriedDevices(devices, deps), ["flannel.1", "flannel.3", "flannel.4"]);
  });

  it("has a name of its own for each network, however long its prefix", () => {
    const long = "/x".repeat(200);
    assert.ok(Buffer.byteLength(lockName(long)) <= 107);
    assert.notEqual(lockName(long), lockName(`${long}y`));
    assert.equal(lockName(PREFIX), "flanneld /coreos.com/network");
  });
});
