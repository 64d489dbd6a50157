// What every KernelNet does with a route that is replaced.

import assert from "node:assert/strict";
import { it } from "node:test";
import type { Ip } from "../../src/base/ip.ts";
import type { NetOp } from "../../src/net/diff.ts";
import type { Route } from "../../src/net/objects.ts";
import { assertSame, create, device, type KernelFixture, openEach, remove, tunnelRoute } from "./kernel-net-fixture.ts";

export function routesContract(open: () => Promise<KernelFixture>): void {
  const on = openEach(open);
  const { apply, objects } = on;
  /** In the kernel's order. */
  const routes = async () => (await objects()).filter(({ kind }) => kind === "route");
  const wrong: Route = { ...tunnelRoute(2), via: "10.5.3.0" as Ip };

  it("leaves exactly the wanted one", async () => {
    await apply(...create(device(on.fixture.underlay), wrong));
    await apply({ op: "replace", object: tunnelRoute(2), previous: wrong });
    assertSame(await objects(), [device(on.fixture.underlay), tunnelRoute(2)]);
  });

  it("changes its device", async () => {
    const { underlay } = on.fixture;
    const direct: Route = { ...tunnelRoute(2), dev: underlay, via: "192.168.77.2" as Ip, onlink: false };
    await apply(...create(device(underlay), tunnelRoute(2)));
    await apply({ op: "replace", object: direct, previous: tunnelRoute(2) });
    assertSame(await objects(), [device(underlay), direct]);
  });

  it("touches no other route of the same destination and metric", async () => {
    const foreign: Route = { ...wrong, via: "10.5.9.0" as Ip, protocol: 186 as Route["protocol"] };
    await apply(...create(device(on.fixture.underlay), foreign));
    await on.fixture.appendRoute(wrong);
    await apply({ op: "replace", object: tunnelRoute(2), previous: wrong });
    assertSame(await objects(), [device(on.fixture.underlay), foreign, tunnelRoute(2)]);
  });

  it("comes before others of the same destination and metric, as the one before it did", async () => {
    const foreign: Route = { ...wrong, via: "10.5.9.0" as Ip, protocol: 186 as Route["protocol"] };
    await apply(...create(device(on.fixture.underlay), wrong));
    await on.fixture.appendRoute(foreign);
    await apply({ op: "replace", object: tunnelRoute(2), previous: wrong });
    assert.deepEqual(await routes(), [tunnelRoute(2), foreign]);
  });

  it("is not made in the place of somebody else's, which stays and is named", async () => {
    const { underlay } = on.fixture;
    const foreign: Route = { ...wrong, via: "10.5.9.0" as Ip, protocol: 186 as Route["protocol"] };
    await apply(...create(device(underlay)));
    await on.fixture.appendRoute(foreign);
    const [failure] = await on.fixture.kernel.apply(create(tunnelRoute(2)), on.signal);
    assert.equal(failure?.error.info.errno, "EEXIST");
    assert.match(failure?.error.message ?? "", /10\.5\.2\.0\/24 via 10\.5\.9\.0/);
    assertSame(await objects(), [device(underlay), foreign]);
  });

  it("comes before somebody else's, which stays, where it stood before", async () => {
    const { underlay } = on.fixture;
    const foreign: Route = { ...wrong, via: "10.5.9.0" as Ip, protocol: 186 as Route["protocol"] };
    await apply(...create(device(underlay)));
    await on.fixture.appendRoute(foreign);
    for (const _twice of [1, 2]) await apply({ op: "create", object: tunnelRoute(2), retake: true });
    assert.deepEqual(await routes(), [tunnelRoute(2), foreign]);
  });

  it("is made in the place of one that is ours from an earlier config", async () => {
    const { underlay } = on.fixture;
    const earlier: Route = { ...tunnelRoute(2), dev: underlay, via: "192.168.77.2" as Ip, onlink: false };
    await apply(...create(device(underlay), earlier));
    await apply(...create(tunnelRoute(2)));
    assertSame(await objects(), [device(underlay), tunnelRoute(2)]);
  });

  it("keeps the old one when the new one is refused", async () => {
    await apply(...create(device(on.fixture.underlay), wrong));
    const refused: Route = { ...tunnelRoute(2), onlink: false };
    const ops: NetOp[] = [{ op: "replace", object: refused, previous: wrong }];
    assert.equal((await on.fixture.kernel.apply(ops, on.signal)).length, 1);
    assertSame(await objects(), [device(on.fixture.underlay), wrong]);
  });

  it("deletes just the one that is named of several", async () => {
    const other: Route = { ...wrong, metric: 100 };
    await apply(...create(device(on.fixture.underlay), wrong, other));
    await on.fixture.appendRoute(tunnelRoute(2));
    await apply(...remove(wrong));
    assertSame(await objects(), [device(on.fixture.underlay), other, tunnelRoute(2)]);
  });
}
