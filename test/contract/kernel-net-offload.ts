// What every KernelNet does with the checksum offload of vxlan devices. Part of the suite in kernel-net.ts.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { diff } from "../../src/net/diff.ts";
import type { NetObject } from "../../src/net/objects.ts";
import type { Plan } from "../../src/net/plan.ts";
import {
  assertSame,
  create,
  DEV,
  device,
  fdb,
  type KernelFixture,
  neighbour,
  OWN,
  openEach,
  scopeOf,
  tunnelRoute,
} from "./kernel-net-fixture.ts";

export function offloadContract(open: () => Promise<KernelFixture>): void {
  const on = openEach(open);
  const { apply } = on;
  const onIt: readonly NetObject[] = [OWN, neighbour(2), fdb(2), tunnelRoute(2)];
  const deviceWith = (checksumOffload: boolean | null) => ({ ...device(on.fixture.underlay), checksumOffload });
  const scope = () => ({ ...scopeOf(on.fixture.underlay), routeDevices: [] });
  const objects = async () => (await on.fixture.kernel.read(scope(), on.signal)).objects();
  const planOf = (checksumOffload: boolean | null): Plan => ({
    scope: scope(),
    want: [deviceWith(checksumOffload), ...onIt],
    claims: () => true,
    complete: true,
  });
  const converge = async (checksumOffload: boolean | null) => {
    const { ops } = diff(planOf(checksumOffload), await objects());
    await apply(...ops);
    return ops;
  };

  describe("the checksum offload of a vxlan device", () => {
    for (const [wanted, found] of [
      [true, true],
      [false, false],
      [null, true],
    ] as const) {
      it(`is ${found} on a device that is made with ${wanted}`, async () => {
        await apply(...create(deviceWith(wanted), ...onIt));
        assertSame(await objects(), [deviceWith(found), ...onIt]);
        assert.deepEqual(await converge(wanted), []);
      });
    }

    it("is changed in place, and what is on the device stays", async () => {
      await apply(...create(deviceWith(null), ...onIt));
      const { interfaces } = await on.fixture.kernel.underlayFacts(["ipv4"], on.signal);
      for (const wanted of [false, true]) {
        assert.equal((await converge(wanted)).length, 1);
        assertSame(await objects(), [deviceWith(wanted), ...onIt]);
      }
      assert.deepEqual((await on.fixture.kernel.underlayFacts(["ipv4"], on.signal)).interfaces, interfaces);
    });

    it("is left as it is where the plan does not say", async () => {
      await apply(...create(deviceWith(false), ...onIt));
      assert.deepEqual(await converge(null), []);
      const other = { ...deviceWith(null), mtu: 1400 };
      await apply({ op: "replace", object: other, previous: deviceWith(false) });
      assertSame(await objects(), [{ ...other, checksumOffload: false }, ...onIt]);
    });

    it("gives another digest, and a hint, when somebody changes it", async () => {
      await apply(...create(deviceWith(true)));
      const { digest } = await on.fixture.kernel.read(scope(), on.signal);
      const hints = on.fixture.kernel.hints(on.signal);
      await on.fixture.externally([{ op: "replace", object: deviceWith(false), previous: deviceWith(true) }]);
      for await (const { reason, dev } of hints) if (reason === "link" && dev === DEV) break;
      assert.notEqual((await on.fixture.kernel.read(scope(), on.signal)).digest, digest);
    });
  });
}
