import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Ipv4, NO_IPV4, type Prefix4 } from "../../../src/base/ip.ts";
import { type Ipv6, ipv6FromNumber, type Prefix6, parsePrefix6, prefix6Overlaps } from "../../../src/base/ipv6.ts";
import {
  type AcquireDecision,
  type AcquireInput,
  chooseAnyFree,
  countFree,
  decideAcquire,
} from "../../../src/subnet/acquire.ts";
import { type Lease, NO_SUBNET4, type NodeId } from "../../../src/subnet/lease.ts";
import { ipv6Space } from "../../../src/subnet/subnet-space.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import {
  DUAL_NETWORK,
  dualLease,
  hostNumber,
  IPV4_NETWORK,
  IPV6_NETWORK,
  ipv4Only,
  ipv6Only,
} from "../../support/dual-stack.ts";
import { networkOf } from "../../support/leases.ts";

const SELF = { nodeId: null, publicIp: "192.168.64.52" as Ipv4, publicIpv6: "fd77::52" as Ipv6 };
const SELF6 = { ...SELF, publicIp: NO_IPV4 };
const ASKED_FOR = "the network config asks for it";
const NO_PREVIOUS = { v4: null, v6: null };

function decide(leases: readonly Lease[], changes: Partial<AcquireInput> = {}): AcquireDecision {
  const random = createSeededRandom(leases.length + 1);
  return decideAcquire({ network: DUAL_NETWORK, leases, self: SELF, previous: NO_PREVIOUS, random, ...changes });
}

const OTHERS = [1, 2, 3].map((n) => dualLease(hostNumber(n)));

describe("the choice of a subnet in a dual-stack network", () => {
  test("is one of each family with one number, so that two hosts that choose at once do not get the same", () => {
    const decision = decide(OTHERS);
    assert.ok(decision.kind === "claim");
    const { v4, v6 } = decision.subnet;
    const third = Number(v4.split(".")[2]);
    assert.equal(v6, `fd00:5:0:${third.toString(16)}::/64`);
  });

  test("is another of IPv6 where that of the same number is taken", () => {
    const taken = [...Array(255).keys()].map((n) =>
      dualLease(ipv6Only(hostNumber(0, { v6: `fd00:5:0:${(n + 1).toString(16)}::/64`, publicIpv6: `fd77::9:${n}` }))),
    );
    const decision = decide(taken);
    assert.ok(decision.kind === "claim" && decision.subnet.v6 !== null);
    assert.ok(taken.every(({ subnet }) => subnet.v6 !== decision.subnet.v6));
  });

  test("is that of the last run where a Go daemon has announced another address of this host", () => {
    const record = dualLease(hostNumber(9));
    const { publicIp, publicIpv6 } = record.attrs;
    const addresses = new Set([SELF.publicIp, publicIp, ...(publicIpv6 ? [publicIpv6] : [])]);
    assert.deepEqual(decide([...OTHERS, record], { previous: record.subnet, addresses }), {
      kind: "reuse",
      lease: record,
    });
    const alone = dualLease(ipv6Only(hostNumber(9)));
    const only6 = { network: IPV6_NETWORK, self: SELF6, addresses };
    const previous = { v4: null, v6: alone.subnet.v6 };
    assert.deepEqual(decide([alone], { ...only6, previous }), { kind: "reuse", lease: alone });
    assert.equal(decide([alone], only6).kind, "claim");
  });

  test("is that of the last run in both families", () => {
    const previous = { v4: "10.5.9.0/24" as Prefix4, v6: "fd00:5:0:77::/64" as Prefix6 };
    assert.deepEqual(decide(OTHERS, { previous }), { kind: "claim", subnet: previous, discard: [] });
  });

  test("is our own record when it has a subnet of each family", () => {
    const own = dualLease(hostNumber(52));
    assert.deepEqual(decide([...OTHERS, own]), { kind: "reuse", lease: own });
  });

  test("keeps the IPv4 subnet of a record from before, and adds one of IPv6", () => {
    const own = dualLease(ipv4Only(hostNumber(52)));
    const decision = decide([...OTHERS, own]);
    assert.deepEqual(decision, {
      kind: "rekey",
      lease: own,
      subnet: { v4: "10.5.52.0/24", v6: "fd00:5:0:34::/64" },
      discard: [],
      reason: ASKED_FOR,
    });
  });

  test("keeps the family that still fits when the range of the other is another", () => {
    const own = dualLease(hostNumber(52, { v6: "fd00:9:0:52::/64" }));
    const decision = decide([own]);
    assert.ok(decision.kind === "rekey" && decision.subnet.v4 === "10.5.52.0/24");
    const elsewhere = dualLease(hostNumber(52, { v4: "10.9.52.0/24" }));
    const other = decide([elsewhere]);
    assert.ok(other.kind === "rekey" && other.subnet.v6 === "fd00:5:0:52::/64" && other.subnet.v4 !== "10.9.52.0/24");
  });

  test("completes one of several records of ours with nothing that the others have, and gives those back", () => {
    const own = dualLease(ipv4Only(hostNumber(52)));
    const other = dualLease(hostNumber(52, { v4: "10.9.52.0/24", v6: "fd00:5:0:34::/64" }));
    const decision = decide([own, other], { previous: own.subnet });
    assert.ok(decision.kind === "rekey" && decision.subnet.v4 === "10.5.52.0/24");
    assert.ok(decision.subnet.v6 !== null && decision.subnet.v6 !== other.subnet.v6);
    assert.deepEqual([decision.lease, decision.discard], [own, [other]]);
  });

  for (const [earlier, later] of [
    [10, 11],
    [9, 10],
  ] as const) {
    test(`of two with one IPv6 subnet is another for the host whose record is of revision ${later}, beside its IPv4 one`, () => {
      const first = dualLease(hostNumber(1, { revision: earlier }));
      const second = dualLease(hostNumber(52, { v6: "fd00:5:0:1::/64", revision: later }));
      const decision = decide([first, second], { previous: second.subnet });
      assert.ok(decision.kind === "rekey" && decision.lease === second);
      assert.equal(decision.subnet.v4, "10.5.52.0/24");
      assert.ok(decision.subnet.v6 !== null && decision.subnet.v6 !== first.subnet.v6);
      assert.equal(decision.reason, "the host 192.168.64.1 had the IPv6 subnet first");
      const self = { ...SELF, publicIp: first.attrs.publicIp };
      assert.deepEqual(decide([first, second], { self }), { kind: "reuse", lease: first });
    });
  }

  test("is the shared one once more while no other of IPv6 is free, for the sake of IPv4", () => {
    const all = dualLease(hostNumber(1, { v6: "fd00:5::/48" }));
    const first = dualLease(hostNumber(2, { revision: 1 }));
    const second = dualLease(hostNumber(52, { v6: "fd00:5:0:2::/64", revision: 2 }));
    assert.deepEqual(decide([all, first, second]), { kind: "reuse", lease: second });
  });

  test("gives up a record of which nothing fits", () => {
    const own = dualLease(hostNumber(52, { v4: "10.9.52.0/24", v6: "fd00:9:0:52::/64" }));
    const decision = decide([own]);
    assert.ok(decision.kind === "claim");
    assert.deepEqual(decision.discard, [own]);
  });

  test("is none when one family is full, and names that", () => {
    const all = dualLease(hostNumber(1, { v6: "fd00:5::/48" }));
    assert.deepEqual(decide([all]), { kind: "exhausted", network: "fd00:5::/48", subnets: 65_535 });
  });

  test("asks first when a record that would be completed may be another's", () => {
    const self = { ...SELF, nodeId: "aa" as NodeId };
    const doubtful = dualLease(ipv4Only(hostNumber(52, { nodeId: "bb" })));
    assert.deepEqual(decide([doubtful], { self }), { kind: "challenge", lease: doubtful, isUsable: true });
  });

  test("goes back to IPv4 with the same subnet", () => {
    const own = dualLease(hostNumber(52));
    const decision = decide([own], { network: IPV4_NETWORK });
    assert.deepEqual(decision, {
      kind: "rekey",
      lease: own,
      subnet: { v4: "10.5.52.0/24", v6: null },
      discard: [],
      reason: ASKED_FOR,
    });
  });
});

describe("the choice of a subnet in a network of IPv6 alone", () => {
  const within = { network: IPV6_NETWORK, self: SELF6 };

  test("knows hosts by their IPv6 addresses: a record at 0.0.0.0 is not everybody's", () => {
    const others = [1, 2].map((n) => dualLease(ipv6Only(hostNumber(n))));
    const own = dualLease(ipv6Only(hostNumber(52)));
    assert.equal(decide(others, within).kind, "claim");
    assert.deepEqual(decide([...others, own], within), { kind: "reuse", lease: own });
  });

  test("has no IPv4 subnet", () => {
    const decision = decide([], within);
    assert.ok(decision.kind === "claim");
    assert.equal(decision.subnet.v4, NO_SUBNET4);
    assert.match(decision.subnet.v6 ?? "", /^fd00:5:0:[0-9a-f]+::\/64$/);
  });

  test("keeps the IPv6 subnet of a dual-stack record", () => {
    const own = dualLease(hostNumber(52));
    assert.deepEqual(decide([own], within), {
      kind: "rekey",
      lease: own,
      subnet: { v4: NO_SUBNET4, v6: "fd00:5:0:52::/64" },
      discard: [],
      reason: ASKED_FOR,
    });
  });
});

describe("the choice of a free IPv6 subnet", () => {
  test("never overlaps a lease, and fails only when there is none; all that are free are counted", () => {
    const situation = fc.record({
      extra: fc.integer({ min: 2, max: 5 }),
      leases: fc.array(fc.tuple(fc.nat(0x3fff), fc.integer({ min: 96, max: 126 })), { maxLength: 40 }),
      seed: fc.integer(),
    });
    fc.assert(
      fc.property(situation, ({ extra, leases, seed }) => {
        const { ipv6 } = networkOf({
          EnableIPv4: false,
          EnableIPv6: true,
          IPv6Network: "fd00::/112",
          IPv6SubnetLen: 112 + extra,
        });
        assert.ok(ipv6);
        const space = ipv6Space(ipv6);
        const taken = leases.map(([low, bits]) =>
          parsePrefix6(`${ipv6FromNumber((0xfd00n << 112n) + BigInt(low))}/${bits}`),
        );
        const all = Array.from({ length: space.count }, (_, index) => space.at(index));
        const free = all.filter((subnet) => !taken.some((lease) => prefix6Overlaps(lease, subnet)));
        const chosen = chooseAnyFree(space, taken, createSeededRandom(seed));
        assert.equal(countFree(space, taken), free.length);
        if (chosen === null) assert.deepEqual(free, []);
        else assert.ok(free.includes(chosen) && space.isLeasable(chosen), `${chosen} of ${free.join(" ")}`);
      }),
      { numRuns: 300 },
    );
  });

  test("works in a network with more subnets than a number can count", () => {
    const { ipv6 } = networkOf({ EnableIPv4: false, EnableIPv6: true, IPv6Network: "fd00::/8", IPv6SubnetLen: 120 });
    assert.ok(ipv6);
    const space = ipv6Space(ipv6);
    const taken: Prefix6[] = [];
    for (let seed = 0; seed < 50; seed++) {
      const chosen = chooseAnyFree(space, taken, createSeededRandom(seed));
      assert.ok(chosen && space.isLeasable(chosen) && !taken.includes(chosen));
      assert.equal(space.at(space.runOf(chosen).from), chosen);
      taken.push(chosen);
    }
  });
});
