// The udp data path at work, as TypeScript has it: devices that go, tables that are replaced, counters, the process's end.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { readFileSync, readlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { DATAPATH_FEATURES } from "../../src/base/datapath.ts";
import { parseIpv4, parsePrefix4 } from "../../src/base/ip.ts";
import { NO_COUNTERS } from "../fakes/fake-datapath.ts";
import { ip, whyNotHere } from "../support/namespace.ts";
import {
  DEVICE,
  native,
  open,
  PORT,
  processorTime,
  SILENT,
  TUNNEL,
  untilThreads,
  useTunDevice,
} from "../support/real-datapath.ts";

const { signal } = new AbortController();
const LIMIT = seconds(10);

/** Runs a module text in a process of its own, with an open data path that is attached. */
function runApart(text: string): { readonly status: number | null; readonly output: string } {
  const prelude = `import { openNative } from ${JSON.stringify(join(import.meta.dirname, "../support/native.js"))};
    import { execSync } from "node:child_process";
    globalThis.path = openNative().openDatapath(
      { address: "127.0.0.1", port: ${PORT}, bufferSize: 0, features: new Set(${JSON.stringify(DATAPATH_FEATURES)}) },
      { onEnded: (errno) => globalThis.onEnded?.(errno), onFeatureLost() {} });
    globalThis.path.attach(${JSON.stringify(TUNNEL)});\n`;
  const result = spawnSync(process.execPath, ["--input-type=module", "-e", prelude + text], {
    encoding: "utf8",
    timeout: 10_000,
  });
  return { status: result.status, output: result.stdout + result.stderr };
}

describe("the udp data path", { skip: whyNotHere() }, () => {
  useTunDevice();

  describe("whose device is deleted", () => {
    it("says so once, uses no processor time after that, and can be attached to the next one", async () => {
      const ends: string[] = [];
      using path = open({ ...SILENT, onEnded: (errno) => ends.push(errno) });
      for (let round = 1; round <= 3; round++) {
        path.attach(TUNNEL);
        ip(`link del ${DEVICE}`);
        await waitFor("the end", () => (ends.length === round ? true : null), LIMIT, signal);
        assert.equal(ends.at(-1), "EBADFD");
        // Its thread has ended by itself.
        await untilThreads(0);
        path.detach();
        native?.createTun(DEVICE);
      }
      path.attach(TUNNEL);
      assert.equal(ends.length, 3);
    });

    it("and that is left so does not run in circles", async () => {
      let ended = false;
      using path = open({ ...SILENT, onEnded: () => (ended = true) });
      path.attach(TUNNEL);
      ip(`link del ${DEVICE}`);
      await waitFor("the end", () => (ended ? true : null), LIMIT, signal);
      const before = { processor: processorTime(), wall: performance.now() };
      await waitFor("a while", () => (performance.now() - before.wall > 500 ? true : null), LIMIT, signal);
      assert.ok(processorTime() - before.processor < 250);
      path.detach();
    });
  });

  it("whose device is moved to another network namespace has none any more", async () => {
    using path = open();
    path.attach(TUNNEL);
    assert.equal(path.device(), DEVICE);
    const elsewhere = spawn("unshare", ["-n", "sleep", "60"], { stdio: "ignore" });
    try {
      const namespaceOf = (pid: string | number | undefined) => readlinkSync(`/proc/${pid}/ns/net`);
      const moved = () => (namespaceOf(elsewhere.pid) === namespaceOf("self") ? null : true);
      await waitFor("a namespace of its own", moved, LIMIT, signal);
      ip(`link set ${DEVICE} netns ${elsewhere.pid}`);
      assert.equal(path.device(), null);
      path.detach();
      native?.createTun(DEVICE);
      path.attach(TUNNEL);
      assert.equal(path.device(), DEVICE);
    } finally {
      elsewhere.kill("SIGKILL");
    }
  });

  describe("that has nothing to do", () => {
    it("uses no processor time, attached or not, with the device up or down", async () => {
      using path = open();
      for (const prepare of [() => {}, () => path.attach(TUNNEL), () => ip(`link set ${DEVICE} down`)]) {
        prepare();
        const before = { processor: processorTime(), wall: performance.now() };
        await waitFor("a while", () => (performance.now() - before.wall > 300 ? true : null), LIMIT, signal);
        assert.ok(processorTime() - before.processor < 150, prepare.toString());
      }
    });
  });

  describe("its table", () => {
    const routes = Array.from({ length: 5000 }, (_, n) => ({
      subnet: parsePrefix4(`10.${n >> 8}.${n & 255}.0/24`),
      address: parseIpv4(`172.16.${n >> 8}.${n & 255}`),
      port: PORT,
    }));

    it("may be replaced with 5,000 peers over and over, while packets are carried", () => {
      using path = open();
      path.attach(TUNNEL);
      const start = performance.now();
      for (let round = 0; round < 100; round++) path.setRoutes(routes);
      assert.ok(performance.now() - start < 10_000);
      path.setRoutes([]);
    });

    it("may be set before anything is attached, and stays when that is taken away", async () => {
      using path = open();
      ip(`address add 10.200.0.1/32 dev ${DEVICE}`);
      ip(`route add 10.201.0.0/16 dev ${DEVICE}`);
      const peer = createSocket("udp4");
      const received: Buffer[] = [];
      peer.on("message", (message) => received.push(message));
      await new Promise<void>((resolve) => peer.bind(PORT, "127.0.0.9", resolve));
      const sender = createSocket("udp4");
      try {
        path.setRoutes([{ subnet: parsePrefix4("10.201.7.0/24"), address: parseIpv4("127.0.0.9"), port: PORT }]);
        for (let round = 1; round <= 2; round++) {
          path.attach(TUNNEL);
          const look = () => {
            if (received.length >= round) return true;
            sender.send("hello", 5000, "10.201.7.7");
            return null;
          };
          await waitFor("a packet at the peer", look, LIMIT, signal);
          path.detach();
        }
        assert.match(received[0]?.toString("latin1") ?? "", /hello$/);
      } finally {
        sender.close();
        peer.close();
      }
    });
  });

  describe("its counters and features", () => {
    it("are called as TypeScript calls them, each once", () => {
      using path = open();
      const counters = path.counters();
      assert.deepEqual(Object.keys(counters).toSorted(), Object.keys(NO_COUNTERS).toSorted());
      assert.deepEqual(counters, NO_COUNTERS);
    });

    it("count what has been carried, and go on after another device was attached to", async () => {
      using path = open();
      ip(`address add 10.200.0.1/32 dev ${DEVICE}`);
      ip(`route add 10.201.0.0/16 dev ${DEVICE}`);
      const sender = createSocket("udp4");
      try {
        let last = 0;
        for (let round = 0; round < 3; round++) {
          path.attach(TUNNEL);
          const grown = () => {
            sender.send("nobody has this address", 5000, "10.201.9.9");
            return path.counters().droppedNoRoute > last ? true : null;
          };
          await waitFor("a drop", grown, LIMIT, signal);
          path.detach();
          assert.ok(path.counters().droppedNoRoute > last);
          last = path.counters().droppedNoRoute;
        }
      } finally {
        sender.close();
      }
    });

    it("are in the order of the C enum, bit for bit", () => {
      const header = readFileSync(resolve(import.meta.dirname, "../../../src/native/udp/traffic.h"), "utf8");
      const spoken = (name: string) => name.replaceAll("_", "").toLowerCase();
      const bits = [...header.matchAll(/^ {2}FEATURE_(\w+) = 1 << (\d+),$/gm)].map(([, name = "", bit]) => [
        spoken(name),
        Number(bit),
      ]);
      assert.deepEqual(
        bits,
        DATAPATH_FEATURES.map((name, bit) => [spoken(name), bit]),
      );
    });

    it("are on when they are wanted, and off when they are not, each by itself", () => {
      const all = (() => {
        using path = open();
        path.attach(TUNNEL);
        return path.features();
      })();
      assert.ok(all.size >= 6, [...all].join());
      for (const feature of DATAPATH_FEATURES) {
        using path = open(
          SILENT,
          DATAPATH_FEATURES.filter((other) => other !== feature),
        );
        path.attach(TUNNEL);
        assert.ok(!path.features().has(feature), feature);
      }
      using none = open(SILENT, []);
      none.attach(TUNNEL);
      assert.deepEqual(none.features(), new Set());
    });
  });

  describe("in a process that ends", () => {
    it("does not keep it alive", () => {
      assert.deepEqual(runApart(`console.log("open");`), { status: 0, output: "open\n" });
    });

    it("ends with process.exit, an exception or a signal's handler, and the device is free again", () => {
      assert.equal(runApart("process.exit(7);").status, 7);
      assert.equal(runApart('process.on("exit", () => globalThis.path.setRoutes([])); process.exit(8);').status, 8);
      const thrown = runApart('throw new Error("bug");');
      assert.equal(thrown.status, 1);
      assert.match(thrown.output, /bug/);
      const interrupted =
        'process.on("SIGTERM", () => process.exit(9)); process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 9);';
      assert.equal(runApart(interrupted).status, 9);
      using path = open();
      path.attach(TUNNEL);
    });

    it("makes an uncaught exception of what its listener throws", () => {
      const { status, output } = runApart(`
        process.on("uncaughtException", (error) => { console.log("uncaught:", error.message); process.exit(7); });
        globalThis.onEnded = (errno) => { throw new Error("bug " + errno); };
        execSync("ip link del ${DEVICE}");
        setInterval(() => {}, 1000);`);
      assert.deepEqual({ status, output }, { status: 7, output: "uncaught: bug EBADFD\n" });
    });
  });
});
