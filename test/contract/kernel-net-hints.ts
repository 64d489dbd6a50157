// What every KernelNet says of changes that others make, and of the underlay. Part of the suite in kernel-net.ts.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Ip } from "../../src/base/ip.ts";
import type { NetHint } from "../../src/net/kernel-net.ts";
import {
  create,
  DEV,
  device,
  fdb,
  type KernelFixture,
  neighbour,
  OWN,
  openEach,
  tunnelRoute,
} from "./kernel-net-fixture.ts";

export function hintsContract(open: () => Promise<KernelFixture>): void {
  const on = openEach(open);
  const { apply } = on;

  describe("hints", () => {
    const collect = (wanted: (hint: NetHint) => boolean) => {
      const hints = on.fixture.kernel.hints(on.signal);
      return async () => {
        for await (const hint of hints) if (wanted(hint)) return hint;
        throw new Error("the hints ended");
      };
    };

    it("tell of other people's changes, with kind and device", async () => {
      await apply(...create(device(on.fixture.underlay)));
      for (const [object, reason] of [
        [OWN, "address"],
        [neighbour(2), "neighbour"],
        [fdb(2), "neighbour"],
        [tunnelRoute(2), "route"],
      ] as const) {
        const next = collect((hint) => hint.reason === reason && hint.dev === DEV);
        await on.fixture.externally(create(object));
        assert.deepEqual(await next(), { reason, dev: DEV });
      }
      const next = collect((hint) => hint.reason === "link" && hint.dev === DEV);
      await on.fixture.setUp(DEV, false);
      await next();
    });

    it("leave out our own routes", async () => {
      await apply(...create(device(on.fixture.underlay)));
      const next = collect((hint) => hint.reason === "route" || hint.reason === "address");
      await apply(...create(tunnelRoute(2)));
      await on.fixture.externally(create(OWN));
      assert.equal((await next()).reason, "address");
    });

    it("end when the signal aborts", async () => {
      const hints = on.fixture.kernel.hints(on.signal);
      const ended = (async () => {
        for await (const _hint of hints);
      })();
      on.stop.abort(new Error("enough"));
      await ended;
    });
  });

  describe("facts of the underlay", () => {
    it("name interfaces with their addresses, and the devices of default routes, lowest metric first", async () => {
      const { underlay } = on.fixture;
      const facts = await on.fixture.kernel.underlayFacts(["ipv4"], on.signal);
      const found = facts.interfaces.find(({ name }) => name === underlay);
      assert.deepEqual(found && { up: found.up, loopback: found.loopback, addresses: found.addresses }, {
        up: true,
        loopback: false,
        addresses: [
          { ip: "192.168.77.1", prefix: "192.168.77.0/24", permanent: true, secondary: false, deprecated: false },
        ],
      });
      assert.deepEqual(facts.defaultRoutes, [{ dev: underlay, metric: 0 }]);
    });

    it("say how full the neighbour table is, and how full it may be", async () => {
      const table = await on.fixture.kernel.neighbourTable(on.signal);
      assert.ok(table && table.limit >= 1 && table.entries >= 0, JSON.stringify(table));
    });

    it("say which way a packet would take, and null when there is none", async () => {
      const { underlay } = on.fixture;
      const source = "192.168.77.1";
      const way = (ip: string) => on.fixture.kernel.lookup(ip as Ip, on.signal);
      assert.deepEqual(await way("192.168.77.5"), { dev: underlay, source, via: null });
      assert.deepEqual(await way("198.51.100.7"), { dev: underlay, source, via: "192.168.77.254" });
      await on.fixture.setUp(underlay, false);
      assert.equal(await way("198.51.100.7"), null);
    });
  });
}
