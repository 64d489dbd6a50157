import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Ipv4, Prefix4 } from "../../../src/base/ip.ts";
import { ipv4FromNumber, prefix4Overlaps } from "../../../src/base/ip.ts";
import { type AcquireDecision, chooseAnyFree, countFree, decideAcquire } from "../../../src/subnet/acquire.ts";
import type { Json, Lease, NodeId } from "../../../src/subnet/lease.ts";
import type { Ipv4Network } from "../../../src/subnet/network-config.ts";
import { ipv4Space } from "../../../src/subnet/subnet-space.ts";
import { createSeededRandom } from "../../fakes/seeded-random.ts";
import { leaseOf, networkOf } from "../../support/leases.ts";

const OUR_IP = "1.2.3.4" as Ipv4;

function ipv4Network(config: Json): Ipv4Network {
  const { ipv4 } = networkOf(config);
  assert.ok(ipv4);
  return ipv4;
}

const network = ipv4Network({ Network: "10.3.0.0/16", SubnetMin: "10.3.1.0", SubnetMax: "10.3.25.0" });
const others = [1, 2, 4, 5, 31].map((n) => leaseOf({ subnet: `10.3.${n}.0/24`, publicIp: "1.1.1.1" }));

function ours(subnet: string): Lease {
  return leaseOf({ subnet, publicIp: OUR_IP });
}

function decide(leases: readonly Lease[], previous: string | null = null, within = network): AcquireDecision {
  const random = createSeededRandom(leases.length);
  return decideAcquire({
    network: { ipv4: within, ipv6: null },
    leases,
    self: { nodeId: null, publicIp: OUR_IP, publicIpv6: null },
    previous: { v4: previous as Prefix4 | null, v6: null },
    random,
  });
}

function claimed(decision: AcquireDecision): { readonly subnet: Prefix4; readonly discard: readonly Lease[] } {
  assert.ok(decision.kind === "claim", decision.kind);
  assert.equal(decision.subnet.v6, null);
  return { subnet: decision.subnet.v4, discard: decision.discard };
}

describe("the choice of a subnet", () => {
  test("is our own record when there is one that the config allows", () => {
    const own = ours("10.3.9.0/24");
    assert.deepEqual(decide([...others, own]), { kind: "reuse", lease: own });
    assert.deepEqual(decide([...others, own], "10.3.6.0/24"), { kind: "reuse", lease: own });
  });

  test("among several records of ours is that of the last run, else the first by key", () => {
    const records = [ours("10.3.9.0/24"), ours("10.3.7.0/24"), ours("10.99.0.0/24"), ours("10.3.8.0/24")];
    assert.deepEqual(decide(records, "10.3.8.0/24"), { kind: "reuse", lease: records[3] });
    assert.deepEqual(decide(records), { kind: "reuse", lease: records[1] });
  });

  test("is that of our last run also where a Go daemon has announced another address of this host", () => {
    const vip = "1.2.3.5" as Ipv4;
    const record = leaseOf({ subnet: "10.3.9.0/24", publicIp: vip });
    const input = {
      network: { ipv4: network, ipv6: null },
      self: { nodeId: "aa" as NodeId, publicIp: OUR_IP, publicIpv6: null },
      addresses: new Set([OUR_IP, vip]),
      random: createSeededRandom(1),
    };
    const previous = { v4: "10.3.9.0/24" as Prefix4, v6: null };
    const leases = [...others, record];
    assert.deepEqual(decideAcquire({ ...input, leases, previous }), { kind: "reuse", lease: record });
    const elsewhere = { v4: "10.3.8.0/24" as Prefix4, v6: null };
    assert.deepEqual(
      claimed(decideAcquire({ ...input, leases, previous: elsewhere })),
      { subnet: "10.3.8.0/24", discard: [] },
      "a VIP that has moved here from another host",
    );
    for (const [why, changed] of [
      ["an address of no interface", { addresses: new Set([OUR_IP]) }],
      ["no Go daemon's", { leases: [...others, leaseOf({ subnet: "10.3.9.0/24", publicIp: vip, nodeId: "bb" })] }],
    ] as const) {
      const { subnet, discard } = claimed(decideAcquire({ ...input, leases, previous, ...changed }));
      assert.notEqual(subnet, "10.3.9.0/24", why);
      assert.deepEqual(discard, [], why);
    }
  });

  test("replaces a record of ours that the config no longer allows", () => {
    for (const subnet of ["10.3.26.0/24", "10.3.0.0/24", "10.4.1.0/24", "10.3.8.0/25", "10.3.8.0/22"]) {
      const own = ours(subnet);
      const { subnet: fresh, discard } = claimed(decide([...others, own]));
      assert.deepEqual(discard, [own], subnet);
      assert.ok(ipv4Space(network).isLeasable(fresh));
    }
  });

  test("keeps the IPv4 subnet of a dual-stack record of ours in a network that is IPv4 only", () => {
    const own = ours("10.3.9.0/24");
    const dual: Lease = { ...own, subnet: { ...own.subnet, v6: "fd00::/64" as NonNullable<Lease["subnet"]["v6"]> } };
    assert.deepEqual(decide([dual]), {
      kind: "rekey",
      lease: dual,
      subnet: own.subnet,
      discard: [],
      reason: "the network config asks for it",
    });
  });

  test("may lie inside the record that it replaces when there is no other room", () => {
    const own = ours("10.3.0.0/19");
    const { discard } = claimed(decide([own]));
    assert.deepEqual(discard, [own]);
  });

  test("is the subnet of the last run when it is free", () => {
    assert.deepEqual(claimed(decide(others, "10.3.6.0/24")), { subnet: "10.3.6.0/24", discard: [] });
  });

  test("is another one when that of the last run is taken, even in part, or no longer allowed", () => {
    const blocked = [...others, leaseOf({ subnet: "10.3.8.128/25", publicIp: "1.1.1.2" })];
    for (const previous of ["10.3.1.0/24", "10.3.8.0/24", "10.4.1.0/24", "10.3.6.0/25"]) {
      assert.notEqual(claimed(decide(blocked, previous)).subnet, previous);
    }
  });

  test("is none when all are taken, and says how many there are", () => {
    const full = [leaseOf({ subnet: "10.3.0.0/16", publicIp: "1.1.1.1" })];
    assert.deepEqual(decide(full), { kind: "exhausted", network: "10.3.0.0/16", subnets: 25 });
    assert.deepEqual(decide(full, "10.3.6.0/24"), { kind: "exhausted", network: "10.3.0.0/16", subnets: 25 });
  });

  test("minds no record of a host that has IPv6 only", () => {
    const ipv6Only = leaseOf({ subnet: "0.0.0.0/0", publicIp: "0.0.0.0" });
    assert.equal(decide([ipv6Only]).kind, "claim");
    assert.equal(claimed(decide([ipv6Only], "10.3.6.0/24")).subnet, "10.3.6.0/24");
  });

  test("stays inside a network at the top of the address space", () => {
    const top = ipv4Network({ Network: "255.255.0.0/16" });
    const taken = Array.from({ length: 254 }, (_, n) => `255.255.${n + 1}.0/24` as Prefix4);
    assert.equal(chooseAnyFree(ipv4Space(top), taken, createSeededRandom(1)), "255.255.255.0/24");
    assert.equal(chooseAnyFree(ipv4Space(top), [...taken, "255.255.255.0/24" as Prefix4], createSeededRandom(1)), null);
  });
});

describe("the choice of a free subnet", () => {
  /** A network and leases in and around it, small enough to try every subnet by hand. */
  const situation = fc
    .record({
      length: fc.integer({ min: 18, max: 22 }),
      extra: fc.integer({ min: 2, max: 5 }),
      leases: fc.array(fc.tuple(fc.nat(0x3fff), fc.integer({ min: 18, max: 30 })), { maxLength: 40 }),
      seed: fc.integer(),
    })
    .map(({ length, extra, leases, seed }) => ({
      within: ipv4Network({ Network: `10.3.0.0/${length}`, SubnetLen: length + extra }),
      leases: leases.map(([low, bits]) =>
        leaseOf({ subnet: `${ipv4FromNumber(0x0a030000 + low)}/${bits}`, publicIp: "1.1.1.1" }),
      ),
      random: createSeededRandom(seed),
    }));

  test("never overlaps a lease, is always leasable, and fails only when there is none; all that are free are counted", () => {
    fc.assert(
      fc.property(situation, ({ within, leases, random }) => {
        const taken = leases.map(({ subnet }) => subnet.v4);
        const all = Array.from({ length: ipv4Space(within).count }, (_, index) => ipv4Space(within).at(index));
        const free = all.filter((subnet) => !taken.some((lease) => prefix4Overlaps(lease, subnet)));
        const chosen = chooseAnyFree(ipv4Space(within), taken, random);
        assert.equal(countFree(ipv4Space(within), taken), free.length);
        if (chosen === null) assert.deepEqual(free, []);
        else assert.ok(free.includes(chosen), `${chosen} of ${free.join(" ")}`);
      }),
      { numRuns: 300 },
    );
  });

  test("finds the only free subnet, wherever it is", () => {
    const wide = ipv4Network({ Network: "10.0.0.0/12" });
    const count = ipv4Space(wide).count;
    fc.assert(
      fc.property(fc.nat(count - 1), (hole) => {
        const taken = Array.from({ length: count }, (_, index) => ipv4Space(wide).at(index)).filter(
          (_, n) => n !== hole,
        );
        assert.equal(
          chooseAnyFree(ipv4Space(wide), taken.toReversed(), createSeededRandom(hole)),
          ipv4Space(wide).at(hole),
        );
      }),
      { numRuns: 20, examples: [[0], [count - 1]] },
    );
  });

  test("draws every free subnet of the whole range about equally often", () => {
    const taken = [3, 4, 5, 100, 200].map((n) => `10.3.${n}.0/24` as Prefix4);
    const whole = ipv4Network({ Network: "10.3.0.0/16" });
    const random = createSeededRandom(42);
    const hits = new Map<string | null, number>();
    const draws = 250 * 200;
    for (let draw = 0; draw < draws; draw++) {
      const chosen = chooseAnyFree(ipv4Space(whole), taken, random);
      hits.set(chosen, (hits.get(chosen) ?? 0) + 1);
    }
    assert.equal(hits.size, 250);
    // 200 expected each, standard deviation 14: five of them either way.
    for (const [subnet, count] of hits) assert.ok(count > 130 && count < 270, `${subnet}: ${count}`);
  });

  test("costs no more in a range of four million than in a small one", () => {
    const huge = ipv4Network({ Network: "10.0.0.0/8", SubnetLen: 30 });
    assert.equal(ipv4Space(huge).count, 4_194_303);
    const random = createSeededRandom(7);
    const taken: Prefix4[] = [];
    for (let draw = 0; draw < 500; draw++) {
      const chosen = chooseAnyFree(ipv4Space(huge), taken, random);
      assert.ok(chosen && !taken.includes(chosen));
      taken.push(chosen);
    }
  });
});
