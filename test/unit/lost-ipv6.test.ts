import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NetworkView } from "../../src/backends/backend.ts";
import { createVxlan } from "../../src/backends/vxlan.ts";
import { createPlanner } from "../../src/planner.ts";
import type { Lease, Revision } from "../../src/subnet/lease.ts";
import { EMPTY_TABLE, foldTable } from "../../src/subnet/lease-table.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { DUAL_NETWORK, DUAL_UNDERLAY, dualLease, hostNumber } from "../support/dual-stack.ts";
import { MARK } from "../support/vxlan-host.ts";

const SHARED = "fd00:5:0:77::/64";
const THIRD = dualLease(hostNumber(3, { nodeId: "cc", revision: 3 }));
const recordOf = (n: number, revision: number) =>
  dualLease(hostNumber(n, { v6: SHARED, nodeId: `node${n}`, revision }));

/** A host with the record `self`, and what it makes of a list. */
function start(self: Lease) {
  const log = createCapturedLog();
  let leases: readonly Lease[] = [];
  let view: NetworkView | null = null;
  const planner = createPlanner({
    overlay: () => ({ backend: createVxlan({}), network: DUAL_NETWORK }),
    underlay: () => DUAL_UNDERLAY,
    formerUnderlays: () => [],
    mark: MARK,
    device: null,
    flannelDevices: [],
    onView: (next) => {
      view = next;
    },
    table: () => foldTable(EMPTY_TABLE, { kind: "reset", list: { revision: "99" as Revision, leases, bad: [] } }),
    self: () => self,
    isHeld: () => true,
    clock: createFakeClock(),
    measuredOffload: () => null,
    log,
  });
  return {
    log,
    planner,
    /** "10.5.3.0/24 fd00:5:0:3::/64" of each peer. */
    peersAmong(...others: readonly Lease[]): readonly string[] {
      leases = [self, ...others];
      planner.plan();
      return (view?.peers ?? []).map(({ subnet }) => `${subnet.v4} ${subnet.v6}`);
    },
  };
}

describe("two hosts with one IPv6 subnet", () => {
  const [first, second] = [recordOf(52, 9), recordOf(9, 10)];

  it("are told apart by which record is older: the later host carries IPv4 alone, and says so until that is over", () => {
    const host = start(second);
    assert.deepEqual(host.peersAmong(THIRD), ["10.5.3.0/24 fd00:5:0:3::/64"]);
    assert.equal(host.planner.ipv6Trouble(), null);
    for (let look = 0; look < 2; look++) {
      assert.deepEqual(host.peersAmong(THIRD, first), ["10.5.3.0/24 null", "10.5.52.0/24 null"]);
    }
    assert.match(
      host.planner.ipv6Trouble() ?? "",
      /^fd00:5:0:77::\/64 is that of the host 192\.168\.64\.52, which had it first; none of its packets are carried here, and running pods reach other hosts by IPv4 alone; restart flanneld/,
    );
    assert.deepEqual(host.log.messages("error"), ["another host had the IPv6 subnet of this host first"]);
    assert.deepEqual(host.peersAmong(THIRD), ["10.5.3.0/24 fd00:5:0:3::/64"]);
    assert.equal(host.planner.ipv6Trouble(), null);
    assert.equal(host.log.messages("warn").at(-1), "the IPv6 subnet of this host is its own again");
  });

  it("are told apart by both alike: the earlier host goes on, and has the later for a peer by IPv4", () => {
    const host = start(first);
    assert.deepEqual(host.peersAmong(THIRD, second), ["10.5.3.0/24 fd00:5:0:3::/64", "10.5.9.0/24 null"]);
    assert.equal(host.planner.ipv6Trouble(), null);
    assert.deepEqual(host.log.messages("error"), []);
  });

  it("lose nothing over another IPv6 subnet that overlaps, or over a stale record of the host itself", () => {
    const wide = dualLease(hostNumber(7, { v6: "fd00:5::/48", nodeId: "dd", revision: 1 }));
    const stale = { ...dualLease(hostNumber(52, { v4: "10.5.8.0/24", v6: SHARED, nodeId: "node52", revision: 1 })) };
    const host = start(first);
    host.peersAmong(THIRD, wide, stale);
    assert.equal(host.planner.ipv6Trouble(), null);
  });
});
