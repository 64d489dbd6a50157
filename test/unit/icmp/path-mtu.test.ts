import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { millis, seconds } from "../../../src/base/brand.ts";
import { findPathMtu, patienceFor } from "../../../src/icmp/path-mtu.ts";
import type { PingOutcome } from "../../../src/icmp/pinger.ts";

const REPLY: PingOutcome = { kind: "reply", rtt: millis(1) };

/** Counts what is sent over a path that carries `mtu`. */
function path(mtu: number, beyond: (size: number) => PingOutcome) {
  const sizes: number[] = [];
  const send = async (size: number): Promise<PingOutcome> => {
    sizes.push(size);
    return size <= mtu ? REPLY : beyond(size);
  };
  return { sizes, send };
}

describe("the path MTU", () => {
  it("is what the device sends when that gets through, by one packet", async () => {
    const { send, sizes } = path(1500, () => ({ kind: "silent" }));
    assert.deepEqual(await findPathMtu({ works: 84, most: 1500 }, send), { mtu: 1500, isSilent: false });
    assert.deepEqual(sizes, [1500]);
  });

  it("is what a router says, once that has got through", async () => {
    const { send, sizes } = path(1400, () => ({ kind: "too-big", mtu: 1400, from: "10.0.0.1" }));
    assert.deepEqual(await findPathMtu({ works: 84, most: 1500 }, send), { mtu: 1400, isSilent: false });
    assert.deepEqual(sizes, [1500, 1400]);
  });

  it("is found where packets vanish, whatever it is, and said to be silent", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 84, max: 9000 }), fc.integer({ min: 0, max: 9000 }), async (mtu, more) => {
        const most = Math.min(9000, mtu + more);
        const { send, sizes } = path(mtu, () => ({ kind: "silent" }));
        assert.deepEqual(await findPathMtu({ works: 84, most }, send), { mtu, isSilent: mtu < most });
        assert.ok(sizes.length <= 36, `${sizes.length} packets`);
      }),
    );
  });

  it("does not believe a router that says more than gets through, or nothing", async () => {
    const lies: readonly (number | null)[] = [null, 1500, 68, 9000];
    for (const said of lies) {
      const { send } = path(1376, () => ({ kind: "too-big", mtu: said, from: "10.0.0.1" }));
      const { mtu } = await findPathMtu({ works: 84, most: 1500 }, send);
      assert.equal(mtu, 1376, String(said));
    }
  });

  it("is not made smaller by one packet that is lost by chance", async () => {
    let lost = 0;
    const send = async (): Promise<PingOutcome> => (lost++ === 0 ? { kind: "silent" } : REPLY);
    assert.deepEqual(await findPathMtu({ works: 84, most: 1500 }, send), { mtu: 1500, isSilent: false });
  });

  it("is not made smaller by a link that loses packets whatever their size", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 84, max: 1500 }), fc.infiniteStream(fc.nat(99)), async (mtu, chance) => {
        // Never more than this many one after the other, or chance itself would be the cause.
        let row = 0;
        const isLost = () => {
          row = (chance.next().value ?? 0) < 40 && row < 5 ? row + 1 : 0;
          return row > 0;
        };
        const send = async (size: number): Promise<PingOutcome> =>
          size <= mtu && !isLost() ? REPLY : { kind: "silent" };
        assert.deepEqual(await findPathMtu({ works: 84, most: 1500 }, send), { mtu, isSilent: mtu < 1500 });
      }),
    );
  });

  it("is waited for by how long small packets take", () => {
    assert.equal(patienceFor(millis(0.1), seconds(1)), 300);
    assert.equal(patienceFor(millis(100), seconds(1)), 500);
    assert.equal(patienceFor(millis(900), seconds(1)), 1000);
  });
});
