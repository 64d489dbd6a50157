// What every KernelNet does with the checksum offload of vxlan devices. Part of the suite in kernel-net.ts.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { diff, type NetOp } from "../../src/net/diff.ts";
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
  scopeOf,
  tunnelRoute,
} from "./kernel-net-fixture.ts";

export function offloadContract(open: () => Promise<KernelFixture>): void {
  let fixture: KernelFixture;
  let stop: AbortController;
  let signal: AbortSignal;
  beforeEach(async () => {
    fixture = await open();
    stop = new AbortController();
    signal = stop.signal;
  });
  afterEach(async () => {
    stop.abort();
    await fixture[Symbol.asyncDispose]();
  });

  const onIt: readonly NetObject[] = [OWN, neighbour(2), fdb(2), tunnelRoute(2)];
  const deviceWith = (checksumOffload: boolean | null) => ({ ...device(fixture.underlay), checksumOffload });
  const scope = () => ({ ...scopeOf(fixture.underlay), routeDevices: [] });
  const objects = async () => (await fixture.kernel.read(scope(), signal)).objects();
  const apply = async (...ops: readonly NetOp[]) => {
    assert.deepEqual(await fixture.kernel.apply(ops, signal), []);
  };
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
      const { interfaces } = await fixture.kernel.underlayFacts(["ipv4"], signal);
      for (const wanted of [false, true]) {
        assert.equal((await converge(wanted)).length, 1);
        assertSame(await objects(), [deviceWith(wanted), ...onIt]);
      }
      assert.deepEqual((await fixture.kernel.underlayFacts(["ipv4"], signal)).interfaces, interfaces);
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
      const { digest } = await fixture.kernel.read(scope(), signal);
      const hints = fixture.kernel.hints(signal);
      await fixture.externally([{ op: "replace", object: deviceWith(false), previous: deviceWith(true) }]);
      for await (const { reason, dev } of hints) if (reason === "link" && dev === DEV) break;
      assert.notEqual((await fixture.kernel.read(scope(), signal)).digest, digest);
    });
  });
}
