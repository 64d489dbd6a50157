// What every KernelNet does with blackhole routes.

import assert from "node:assert/strict";
import { afterEach, beforeEach, it } from "node:test";
import type { Prefix4 } from "../../src/base/ip.ts";
import { type Blackhole, BOOT_PROTOCOL, FLANNEL_PROTOCOL } from "../../src/net/objects.ts";
import type { NetScope } from "../../src/net/plan.ts";
import { assertSame, create, device, type KernelFixture, remove, tunnelRoute } from "./kernel-net-fixture.ts";

const SCOPE: NetScope = { families: ["ipv4"], devices: [], routeDevices: [], kinds: ["blackhole"] };

const OWN: Blackhole = {
  kind: "blackhole",
  dst: "10.5.2.0/24" as Prefix4,
  metric: 65_535,
  protocol: FLANNEL_PROTOCOL,
};
const GO: Blackhole = { ...OWN, metric: 0, protocol: BOOT_PROTOCOL };

export function blackholeContract(open: () => Promise<KernelFixture>): void {
  let fixture: KernelFixture;
  const { signal } = new AbortController();
  beforeEach(async () => {
    fixture = await open();
  });
  afterEach(async () => {
    // They lead through no device and go with none.
    await fixture.kernel.apply(remove(OWN, GO, { ...OWN, protocol: BOOT_PROTOCOL }), signal);
    await fixture[Symbol.asyncDispose]();
  });
  const read = () => fixture.kernel.read(SCOPE, signal);
  const apply = (...ops: Parameters<KernelFixture["kernel"]["apply"]>[0]) => fixture.kernel.apply(ops, signal);

  it("reads back what was made, and nothing after it was deleted; twice is once", async () => {
    const before = (await read()).digest;
    for (let time = 0; time < 2; time++) assert.deepEqual(await apply(...create(OWN, GO)), []);
    assertSame((await read()).objects(), [OWN, GO]);
    assert.notEqual((await read()).digest, before);
    for (let time = 0; time < 2; time++) assert.deepEqual(await apply(...remove(OWN, GO)), []);
    assertSame((await read()).objects(), []);
    assert.equal((await read()).digest, before);
  });

  it("stands beside a route of the same destination, and reading either kind leaves out the other", async () => {
    const route = tunnelRoute(2);
    assert.deepEqual(await apply(...create(device(fixture.underlay), route, OWN)), []);
    assertSame((await read()).objects(), [OWN]);
    const routes = await fixture.kernel.read(
      { families: ["ipv4"], devices: [route.dev], routeDevices: [], kinds: ["route"] },
      signal,
    );
    assertSame(routes.objects(), [route]);
  });

  it("is not made in the place of another one, and replaces it when it is told to", async () => {
    const present = { ...OWN, protocol: BOOT_PROTOCOL };
    await fixture.externally(create(present));
    const [failure, ...others] = await apply(...create(OWN));
    assert.equal(failure?.error.info.errno, "EEXIST");
    assert.deepEqual(others, []);
    assert.deepEqual(await apply({ op: "replace", object: OWN, previous: present }), []);
    assertSame((await read()).objects(), [OWN]);
  });

  it("gives a hint when somebody else deletes it", async () => {
    await apply(...create(OWN));
    const stop = new AbortController();
    const hints = fixture.kernel.hints(stop.signal);
    await fixture.externally(remove(OWN));
    for await (const hint of hints) {
      assert.equal(hint.dev, null);
      break;
    }
    stop.abort();
  });
}
