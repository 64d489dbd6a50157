import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FlannelError } from "../../src/base/errors.ts";
import { runInstance } from "../../src/run-instance.ts";

const NO_TUN = new FlannelError("backend.unsuitable", { backend: "udp", reason: "there is no /dev/net/tun" });
const SECOND = new FlannelError("instance.running", { prefix: "/coreos.com/network", pid: 123 });

/** What was done, in order, by a daemon that ends so. */
async function run(how: { readonly lock?: unknown; readonly run?: unknown; readonly stopped?: boolean }) {
  const done: string[] = [];
  const stop = new AbortController();
  const step = async (name: string, error?: unknown) => {
    done.push(name);
    if (error) throw error;
  };
  const instance = {
    async lock() {
      await step("lock", how.lock);
      return { [Symbol.dispose]: () => void done.push("unlock") };
    },
    async run() {
      if (how.stopped) stop.abort(new Error("stopped"));
      await step("run", how.stopped ? stop.signal.reason : how.run);
    },
    ends: { leave: () => step("leave"), forget: () => step("forget") },
    async fail() {
      await step("log");
      return 78;
    },
  };
  return { status: await runInstance(instance, stop.signal), done: done.join(" ") };
}

describe("a run of the daemon", () => {
  it("that fails is logged and leaves its note while no other can start", async () => {
    assert.deepEqual(await run({ run: NO_TUN }), { status: 78, done: "lock forget run log leave unlock" });
  });

  it("that is stopped leaves nothing, nor what others have left there", async () => {
    assert.deepEqual(await run({ stopped: true }), { status: null, done: "lock forget run forget unlock" });
  });

  it("that is refused takes nothing back", async () => {
    assert.deepEqual(await run({ lock: SECOND }), { status: 78, done: "lock log leave" });
  });
});
