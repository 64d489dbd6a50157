import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parsePrefix4 } from "../../src/base/ip.ts";
import { diff } from "../../src/net/diff.ts";
import { type Blackhole, BOOT_PROTOCOL, FLANNEL_PROTOCOL, type RouteProtocol } from "../../src/net/objects.ts";
import type { Plan } from "../../src/net/plan.ts";
import { createOwnBlackhole } from "../../src/own-blackhole.ts";
import { NETWORK, SUBNET } from "../support/firewall.ts";

const PLAN: Plan = {
  scope: { families: ["ipv4"], devices: [], routeDevices: [], kinds: ["route"] },
  want: [],
  claims: () => false,
  complete: true,
};

function blackhole(dst: string, metric: number, protocol: RouteProtocol): Blackhole {
  return { kind: "blackhole", dst: parsePrefix4(dst), metric, protocol };
}

const OWN = blackhole("10.5.7.0/24", 65_535, FLANNEL_PROTOCOL);

function extend(wanted: boolean, plan = PLAN): Plan {
  return createOwnBlackhole(() => ({ network: NETWORK, subnet: SUBNET }), wanted)(plan);
}

function opsFor(wanted: boolean, actual: readonly Blackhole[]): readonly string[] {
  return diff(extend(wanted), actual).ops.map(({ op, object }) => `${op} ${JSON.stringify(object)}`);
}

describe("the blackhole route of our own subnet", () => {
  it("is one more object of the plan, claimed and in scope", () => {
    const plan = extend(true);
    assert.deepEqual(plan.want, [OWN]);
    assert.ok(plan.claims(OWN) && plan.scope.kinds.includes("blackhole"));
    assert.deepEqual(opsFor(true, []), [`create ${JSON.stringify(OWN)}`]);
    assert.deepEqual(opsFor(true, [OWN]), []);
  });

  it("is not wanted without the flag, and goes when the flag has gone", () => {
    assert.deepEqual(extend(false).want, []);
    assert.deepEqual(opsFor(false, [OWN]), [`delete ${JSON.stringify(OWN)}`]);
  });

  it("takes the place of a Go daemon's, and of that of an earlier subnet", () => {
    const go = blackhole("10.5.7.0/24", 0, BOOT_PROTOCOL);
    const earlier = blackhole("10.5.9.0/24", 65_535, FLANNEL_PROTOCOL);
    assert.deepEqual(opsFor(true, [OWN, go, earlier]), [
      `delete ${JSON.stringify(go)}`,
      `delete ${JSON.stringify(earlier)}`,
    ]);
  });

  it("leaves alone those of others: another protocol, another network, and by hand while the flag is off", () => {
    const bird = blackhole("10.5.7.0/24", 32, 12 as RouteProtocol);
    const elsewhere = blackhole("10.9.7.0/24", 65_535, FLANNEL_PROTOCOL);
    assert.deepEqual(opsFor(true, [OWN, bird, elsewhere, blackhole("10.5.9.0/24", 0, BOOT_PROTOCOL)]), []);
    assert.deepEqual(opsFor(false, [blackhole("10.5.7.0/24", 0, BOOT_PROTOCOL)]), []);
  });

  it("makes of one plan one plan, so that a pass sees that nothing has changed", () => {
    const extendOnce = createOwnBlackhole(() => ({ network: NETWORK, subnet: SUBNET }), true);
    assert.equal(extendOnce(PLAN), extendOnce(PLAN));
    assert.notEqual(extendOnce(PLAN), extendOnce({ ...PLAN }));
  });
});
