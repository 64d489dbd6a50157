// The udp data path as TypeScript has it: handles that may be used wrongly, and devices of all kinds. What it does with
// packets is tested in C (test/native) and end to end.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { describe, it } from "node:test";
import { holdTun } from "../../lab/plain-tunnel.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import type { Ipv4 } from "../../src/base/ip.ts";
import { ip, whyNotHere } from "../support/namespace.ts";
import {
  codeOf,
  DEVICE,
  descriptors,
  LOCAL,
  native,
  open,
  PORT,
  SILENT,
  TUNNEL,
  untilThreads,
  useTunDevice,
} from "../support/real-datapath.ts";

const { signal } = new AbortController();
const LIMIT = seconds(10);

/** Kernel: up to a second later, where devices have had or lost their carrier just before. */
async function hasCarrier(expected: boolean): Promise<void> {
  const look = () => !ip(`link show ${DEVICE}`).includes("NO-CARRIER") === expected || null;
  await waitFor(`${expected ? "a" : "no"} carrier`, look, LIMIT, signal);
}

describe("the udp data path", { skip: whyNotHere() }, () => {
  useTunDevice();

  describe("that is closed", () => {
    it("refuses every use, and can be closed again", () => {
      const path = open();
      path.attach(TUNNEL);
      path[Symbol.dispose]();
      path[Symbol.dispose]();
      const uses: readonly (() => void)[] = [
        () => path.attach(TUNNEL),
        () => path.detach(),
        () => path.setRoutes([]),
        () => path.counters(),
        () => path.features(),
        () => path.device(),
        () => path.bufferSize(),
      ];
      for (const use of uses) assert.equal(codeOf(use), "EBADF", use.toString());
    });

    it("has given its port and its device back", () => {
      for (let round = 0; round < 3; round++) {
        using path = open();
        path.attach(TUNNEL);
      }
    });

    it("may have been closed by its listener", async () => {
      let calls = 0;
      const path = open({
        ...SILENT,
        onEnded() {
          calls += 1;
          path[Symbol.dispose]();
        },
      });
      path.attach(TUNNEL);
      ip(`link del ${DEVICE}`);
      await waitFor("the end", () => (calls > 0 ? true : null), LIMIT, signal);
      await untilThreads(0);
      assert.equal(
        codeOf(() => path.detach()),
        "EBADF",
      );
    });

    it("tells its listener nothing more", async () => {
      let calls = 0;
      const path = open({ ...SILENT, onEnded: () => calls++ });
      path.attach(TUNNEL);
      ip(`link del ${DEVICE}`);
      path[Symbol.dispose]();
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(calls, 0);
    });

    it("leaves no thread, no descriptor and no device behind, however often", async () => {
      using _first = open(SILENT, [], PORT + 1);
      const before = descriptors();
      for (let round = 0; round < 200; round++) {
        using path = open();
        path.attach(TUNNEL);
        await untilThreads(1);
      }
      await untilThreads(0);
      assert.equal(descriptors(), before);
      await hasCarrier(false);
    });
  });

  describe("that cannot be opened", () => {
    it("says that the port is taken", async () => {
      const holder = createSocket("udp4");
      await new Promise<void>((resolve) => holder.bind(PORT, LOCAL, resolve));
      try {
        assert.equal(
          codeOf(() => open()),
          "EADDRINUSE",
        );
      } finally {
        holder.close();
      }
    });

    it("says that the address is not the host's", () => {
      const options = { address: "192.0.2.1" as Ipv4, port: PORT, bufferSize: 0, features: new Set<never>() };
      assert.equal(
        codeOf(() => native?.openDatapath(options, SILENT)),
        "EADDRNOTAVAIL",
      );
    });

    it("leaves nothing open", () => {
      using _path = open();
      const before = descriptors();
      for (let round = 0; round < 20; round++)
        assert.equal(
          codeOf(() => open()),
          "EADDRINUSE",
        );
      assert.equal(descriptors(), before);
    });
  });

  describe("attaching", () => {
    it("to a device that is not there fails with ENODEV, and makes none", () => {
      using path = open();
      ip(`link del ${DEVICE}`);
      assert.equal(
        codeOf(() => path.attach(TUNNEL)),
        "ENODEV",
      );
      assert.ok(!ip("link show").includes(DEVICE));
    });

    it("to a device under whose name none can be fails, and makes none", () => {
      using path = open();
      const before = ip("-o link show");
      for (const device of ["flannel0-is-too-long", "with space", "a/b", ""]) {
        assert.ok(
          codeOf(() => path.attach({ ...TUNNEL, device })),
          device,
        );
      }
      assert.equal(ip("-o link show"), before);
    });

    it("to a device that another has fails with EBUSY", async () => {
      using one = open();
      using other = open(SILENT, [], PORT + 1);
      one.attach(TUNNEL);
      assert.equal(
        codeOf(() => other.attach(TUNNEL)),
        "EBUSY",
      );
      one.detach();
      other.attach(TUNNEL);
    });

    it("to a device that goes with another process fails with EBUSY, and leaves it alone", async () => {
      using path = open();
      ip(`link del ${DEVICE}`);
      const holder = await holdTun(null, DEVICE, signal);
      try {
        assert.equal(
          codeOf(() => path.attach(TUNNEL)),
          "EBUSY",
        );
        assert.ok(ip("link show").includes(DEVICE));
      } finally {
        await holder[Symbol.asyncDispose]();
      }
    });

    it("to a device that is no TUN device, or has several queues, fails", () => {
      using path = open();
      ip(`link del ${DEVICE}`);
      ip(`link add ${DEVICE} type bridge`);
      assert.equal(
        codeOf(() => path.attach(TUNNEL)),
        "EINVAL",
      );
      ip(`link del ${DEVICE}`);
      ip(`tuntap add dev ${DEVICE} mode tun multi_queue`);
      assert.equal(
        codeOf(() => path.attach(TUNNEL)),
        "EINVAL",
      );
      ip(`link del ${DEVICE}`);
      ip(`tuntap add dev ${DEVICE} mode tap`);
      assert.equal(
        codeOf(() => path.attach(TUNNEL)),
        "EINVAL",
      );
    });

    it("twice fails with EALREADY, and the first goes on", async () => {
      using path = open();
      path.attach(TUNNEL);
      assert.equal(
        codeOf(() => path.attach(TUNNEL)),
        "EALREADY",
      );
      await untilThreads(1);
    });

    it("is possible again after letting go, which the device outlives", async () => {
      using path = open();
      path.detach();
      for (let round = 0; round < 50; round++) {
        path.attach(TUNNEL);
        await hasCarrier(true);
        path.detach();
        path.detach();
        await untilThreads(0);
      }
    });
  });
});
