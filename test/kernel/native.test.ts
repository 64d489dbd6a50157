import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { compiledProgram } from "../../lab/compiled.ts";
import { listenForNotifications } from "../../lab/notify.ts";
import { isError } from "../../src/base/errors.ts";
import { loadNative } from "../../src/native/native.ts";
import { encodeRequests, messagesOf } from "../../src/netlink/codec.ts";
import { NLM_F_DUMP, RTM_NEWROUTE, RTNLGRP_IPV4_ROUTE, RTNLGRP_LINK } from "../../src/netlink/constants.ts";
import { openKernelNet } from "../../src/netlink/kernel-net.ts";
import { requestLinks } from "../../src/netlink/link.ts";
import { ip, whyNotHere } from "../support/namespace.ts";
import { openNative } from "../support/native.ts";

const LINK_DUMP = encodeRequests([{ ...requestLinks(), flags: NLM_F_DUMP }], 1);
const EVERYTHING = 1024 * 1024;

function code(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** Runs a module text in a process of its own, with `native` loaded. */
function runApart(text: string): { readonly status: number | null; readonly output: string } {
  const loader = `import { openNative } from ${JSON.stringify(join(import.meta.dirname, "../support/native.js"))};
    import { execSync } from "node:child_process";
    const native = openNative();\n`;
  const result = spawnSync(process.execPath, ["--input-type=module", "-e", loader + text], { encoding: "utf8" });
  return { status: result.status, output: result.stdout + result.stderr };
}

function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Kernel: one that has ended and was joined is listed until it has left everything else, too. */
function threads(): number {
  return readdirSync("/proc/self/task").length;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Node: the collector is at hand only under a flag, which may be set while the program runs. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

describe("the native addon", { skip: whyNotHere() }, () => {
  it("is reported missing with its path", () => {
    assert.throws(
      () => loadNative("/nonexistent/flannel.node"),
      (error) => isError(error, "native.unavailable") && error.info.path === "/nonexistent/flannel.node",
    );
  });

  describe("as a request socket", () => {
    it("answers a dump within the call", () => {
      using socket = openNative().openNetlinkSocket(EVERYTHING);
      const reply = socket.request(LINK_DUMP);
      assert.ok([...messagesOf(reply)].every(({ seq, port }) => seq === 1 && port === socket.portId));
    });

    it("can be closed twice, and refuses requests then", () => {
      const socket = openNative().openNetlinkSocket(EVERYTHING);
      socket[Symbol.dispose]();
      socket[Symbol.dispose]();
      assert.throws(
        () => socket.request(LINK_DUMP),
        (error) => code(error) === "EBADF",
      );
    });

    it("names the error when its answers do not fit", () => {
      // The kernel doubles the size and keeps a minimum; 300 refusals with a text are more than that.
      using socket = openNative().openNetlinkSocket(1);
      const requests = Array.from({ length: 300 }, () => ({ type: RTM_NEWROUTE, flags: 0, body: Buffer.alloc(12) }));
      assert.throws(
        () => socket.request(encodeRequests(requests, 1)),
        (error) => code(error) === "ENOBUFS",
      );
    });

    it("leaves no descriptor behind", () => {
      const native = openNative();
      const before = descriptors();
      for (let round = 0; round < 20; round++) {
        using socket = native.openNetlinkSocket(EVERYTHING);
        socket.request(LINK_DUMP);
      }
      assert.equal(descriptors(), before);
    });
  });

  describe("as a monitor", () => {
    it("delivers what happened, and nothing after it was closed", async () => {
      let bytes = 0;
      const monitor = openNative().openNetlinkMonitor([RTNLGRP_LINK], EVERYTHING, (messages) => {
        bytes += messages.length;
      });
      ip("link add mon0 type veth peer name mon1");
      await until(() => bytes > 0);
      monitor[Symbol.dispose]();
      monitor[Symbol.dispose]();
      const before = bytes;
      ip("link del mon0");
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(bytes, before);
    });

    it("reports an overrun and goes on", async () => {
      let hasOverrun = false;
      let isHeard = false;
      using _monitor = openNative().openNetlinkMonitor([RTNLGRP_IPV4_ROUTE], 1, (messages, overrun) => {
        hasOverrun ||= overrun;
        isHeard ||= messages.includes(Buffer.from([10, 78, 0, 0]));
      });
      ip("link set lo up");
      // The event loop stands still meanwhile, as it does when something else takes long.
      for (let block = 0; block < 60; block++) ip(`route replace 10.77.${block}.0/24 dev lo`);
      await until(() => hasOverrun);
      // What was there before may still fill the socket.
      while (!isHeard) {
        ip("route replace 10.78.0.0/24 dev lo");
        await new Promise((resolve) => setImmediate(resolve));
      }
    });

    it("ends its thread and closes its descriptors", async () => {
      const native = openNative();
      const before = [descriptors(), threads()];
      for (let round = 0; round < 20; round++) {
        using _monitor = native.openNetlinkMonitor([RTNLGRP_LINK], EVERYTHING, () => {});
        await until(() => threads() === (before[1] ?? 0) + 1);
      }
      assert.equal(descriptors(), before[0]);
      await until(() => threads() === before[1]);
    });

    it("may be closed by its listener", async () => {
      let calls = 0;
      const monitor = openNative().openNetlinkMonitor([RTNLGRP_LINK], EVERYTHING, () => {
        calls += 1;
        monitor[Symbol.dispose]();
      });
      ip("link add mon0 type veth peer name mon1");
      await until(() => calls > 0);
      ip("link del mon0");
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(calls, 1);
    });

    it("keeps no process alive, not even one that never closes it", () => {
      const { status, output } = runApart(`native.openNetlinkMonitor([1], 65536, () => {}); console.log("open");`);
      assert.deepEqual({ status, output }, { status: 0, output: "open\n" });
    });

    it("makes an uncaught exception of what its listener throws", () => {
      const { status, output } = runApart(`
        process.on("uncaughtException", (error) => { console.log("uncaught:", error.message); process.exit(7); });
        globalThis.monitor = native.openNetlinkMonitor([1], 65536, () => { throw new Error("bug"); });
        execSync("ip link add mon0 type veth peer name mon1; ip link del mon0");
        setInterval(() => {}, 1000);`);
      assert.deepEqual({ status, output }, { status: 7, output: "uncaught: bug\n" });
    });

    it("ends with the worker thread that opened it", () => {
      const { status, output } = runApart(`
        import { Worker } from "node:worker_threads";
        const url = ${JSON.stringify(join(import.meta.dirname, "../support/native.js"))};
        const code = \`import(\${JSON.stringify(url)}).then(({ openNative }) => {
          openNative().openNetlinkMonitor([1], 65536, () => {}); process.exit(0); });\`;
        for (let round = 0; round < 3; round++) {
          await new Promise((resolve) => new Worker(code, { eval: true }).on("exit", resolve));
        }
        const { readdirSync, readFileSync } = await import("node:fs");
        const names = readdirSync("/proc/self/task").map((id) => readFileSync("/proc/self/task/" + id + "/comm", "utf8"));
        console.log(names.filter((name) => name.startsWith("netlink")).length);`);
      assert.deepEqual({ status, output }, { status: 0, output: "0\n" });
    });
  });

  it("gives hints of an overflow to whoever does not keep up", async () => {
    const kernel = openKernelNet(openNative());
    const stop = new AbortController();
    const hints = kernel.hints(stop.signal);
    // Waiting for hints keeps no process alive.
    const alive = setInterval(() => {}, 1000);
    ip("link set lo up");
    const batch = join(mkdtempSync(join(tmpdir(), "fl-hints-")), "batch");
    try {
      const words = Array.from({ length: 12_000 }, (_, n) => `route replace 10.${n >> 8}.${n & 255}.0/24 dev lo`);
      writeFileSync(batch, `${words.join("\n")}\n`);
      ip(`-batch ${batch}`);
      const seen = new Set<string>();
      for await (const { reason, dev } of hints) {
        seen.add(`${reason} ${dev}`);
        if (reason === "overflow") break;
      }
      assert.ok(seen.has("overflow null"));
    } finally {
      clearInterval(alive);
      stop.abort();
      kernel[Symbol.dispose]();
      rmSync(join(batch, ".."), { recursive: true });
      ip("link set lo down");
    }
  });

  describe("as a sender of datagrams", () => {
    it("reaches a listener at a path", async () => {
      const directory = mkdtempSync(join(tmpdir(), "fl-notify-"));
      try {
        const { signal } = new AbortController();
        using listener = await listenForNotifications(directory, signal);
        openNative().sendDatagram(listener.socket, Buffer.from("READY=1"));
        await listener.waitFor(/READY=1/, signal);
      } finally {
        rmSync(directory, { recursive: true });
      }
    });

    it("names the error when nobody listens, or when the address cannot be one", () => {
      const errno = (path: string) => {
        try {
          openNative().sendDatagram(path, Buffer.from("READY=1"));
        } catch (error) {
          return code(error);
        }
        return null;
      };
      assert.equal(errno("/nonexistent/socket"), "ENOENT");
      assert.equal(errno("@flanneld-nobody"), "ECONNREFUSED");
      assert.equal(errno("relative"), "EINVAL");
      assert.equal(errno(`/${"x".repeat(200)}`), "EINVAL");
    });
  });

  it("waits for nobody who does not read what he is sent", async () => {
    const directory = mkdtempSync(join(tmpdir(), "flannel-datagrams-"));
    const socket = join(directory, "socket");
    const listener = spawn(compiledProgram("notify-listener"), [socket], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await once(listener.stdout, "data");
      listener.kill("SIGSTOP");
      const send = () => {
        // Kernel: net.unix.max_dgram_qlen is far less.
        for (let count = 0; count < 100_000; count += 1) openNative().sendDatagram(socket, Buffer.from("WATCHDOG=1"));
      };
      assert.throws(send, (error) => code(error) === "EAGAIN");
    } finally {
      listener.kill("SIGKILL");
      rmSync(directory, { recursive: true });
    }
  });

  it("tells whether somebody still reads from a pipe, and that a file needs nobody", () => {
    const { isHungUp } = openNative();
    const directory = mkdtempSync(join(tmpdir(), "flannel-pipe-"));
    try {
      const path = join(directory, "pipe");
      execFileSync("mkfifo", [path]);
      const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const writer = openSync(path, constants.O_WRONLY);
      assert.equal(isHungUp(writer), false);
      closeSync(reader);
      assert.equal(isHungUp(writer), true);
      closeSync(writer);
      const file = openSync(join(directory, "file"), "w");
      assert.equal(isHungUp(file), false);
      closeSync(file);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("does not grow over 20,000 requests", () => {
    using socket = openNative().openNetlinkSocket(EVERYTHING);
    const rounds = (count: number) => {
      for (let round = 0; round < count; round++) socket.request(LINK_DUMP);
      // What only the collector has not got round to is no growth.
      collectGarbage();
      return Number(/VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
    };
    const before = rounds(10_000);
    const after = rounds(20_000);
    assert.ok(after - before < 16 * 1024, `grew from ${before} to ${after} KiB`);
  });
});
