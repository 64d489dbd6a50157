import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { millis, minutes } from "../../../src/base/brand.ts";
import type { Ipv4 } from "../../../src/base/ip.ts";
import { ipv6FromNumber, parsePrefix6, prefix6Contains, prefix6Overlaps } from "../../../src/base/ipv6.ts";
import { type Admission, admitPeers } from "../../../src/subnet/admission.ts";
import { keepDeparted, startKeeping, tableWithDeparted } from "../../../src/subnet/departed-peers.ts";
import { ownershipOf } from "../../../src/subnet/identity.ts";
import type { Lease, NodeId, Revision } from "../../../src/subnet/lease.ts";
import { EMPTY_TABLE, foldTable, type LeaseTable } from "../../../src/subnet/lease-table.ts";
import type { NetworkConfig } from "../../../src/subnet/network-config.ts";
import {
  DUAL_NETWORK,
  dualLease,
  hostNumber,
  IPV4_NETWORK,
  IPV6_NETWORK,
  ipv4Only,
  ipv6Only,
} from "../../support/dual-stack.ts";

const SELF = dualLease(hostNumber(52));

function tableOf(leases: readonly Lease[], revision = 9): LeaseTable {
  return foldTable(EMPTY_TABLE, { kind: "reset", list: { revision: String(revision) as Revision, leases, bad: [] } });
}

function admit(network: NetworkConfig, ...leases: readonly Lease[]): Admission {
  const self = network === IPV6_NETWORK ? dualLease(ipv6Only(hostNumber(52))) : SELF;
  return admitPeers(tableOf([self, ...leases]), { network, self, backendType: "vxlan", onLink: [] });
}

/** "10.5.1.0/24 fd00:5:0:1::/64" of each peer. */
function subnets({ peers }: Admission): readonly string[] {
  return peers.map(({ subnet }) => `${subnet.v4} ${subnet.v6}`);
}

describe("admission in a dual-stack network", () => {
  test("takes hosts of both families, and those of one for that one", () => {
    const admission = admit(
      DUAL_NETWORK,
      dualLease(hostNumber(1)),
      dualLease(ipv4Only(hostNumber(2))),
      dualLease(ipv6Only(hostNumber(3))),
    );
    assert.deepEqual(admission.leftOut, []);
    assert.deepEqual(subnets(admission), [
      "10.5.1.0/24 fd00:5:0:1::/64",
      "10.5.2.0/24 null",
      "0.0.0.0/0 fd00:5:0:3::/64",
    ]);
  });

  test("sends the packets of one IPv6 subnet to the host that had it first, and loses nobody's IPv4", () => {
    const first = dualLease(hostNumber(7, { revision: 9 }));
    const second = dualLease(hostNumber(3, { v6: "fd00:5:0:7::/64", revision: 10 }));
    const admission = admit(DUAL_NETWORK, second, first);
    assert.deepEqual(subnets(admission), ["10.5.3.0/24 null", "10.5.7.0/24 fd00:5:0:7::/64"]);
    assert.deepEqual(
      admission.leftOut.map(({ key }) => key),
      [second.key],
    );
  });

  test("gives the same objects again for the same leases, also where a family is left out", () => {
    const leases = [dualLease(hostNumber(1)), dualLease(hostNumber(2, { v6: "fd09::/64" }))];
    const [first, second] = [admit(DUAL_NETWORK, ...leases), admit(DUAL_NETWORK, ...leases)];
    assert.equal(first.peers[0], leases[0]);
    for (const [index, peer] of first.peers.entries()) assert.equal(peer, second.peers[index]);
  });

  const faults: readonly (readonly [string, Parameters<typeof hostNumber>[1], RegExp])[] = [
    ["outside the network", { v6: "fd09:5:0:1::/64" }, /its subnet is not inside the network fd00:5::\/48/],
    ["overlapping ours", { v6: "fd00:5:0:52::/60" }, /its subnet overlaps our own, fd00:5:0:52::\/64/],
    ["with our address", { publicIpv6: "fd77::52" }, /its public IP fd77::52 is our own/],
    [
      "with an address that nobody has",
      { publicIpv6: "ff02::1" },
      /ff02::1 is not an address that a packet can be sent to/,
    ],
  ];
  for (const [what, change, reason] of faults) {
    test(`keeps the IPv4 side of a host with an IPv6 one ${what}, and says why`, () => {
      const admission = admit(DUAL_NETWORK, dualLease(hostNumber(1, change)));
      assert.deepEqual(subnets(admission), ["10.5.1.0/24 null"]);
      assert.match(admission.leftOut[0]?.reason ?? "", reason);
    });
  }

  test("keeps the IPv6 side of a host whose IPv4 one is of no use", () => {
    const admission = admit(DUAL_NETWORK, dualLease(hostNumber(1, { v4: "10.9.1.0/24" })));
    assert.deepEqual(subnets(admission), ["0.0.0.0/0 fd00:5:0:1::/64"]);
    assert.match(admission.leftOut[0]?.reason ?? "", /not inside the network 10\.5\.0\.0\/16/);
  });

  test("says once what is wrong in both families, and both when it is two things", () => {
    const foreign = dualLease(hostNumber(1, { backendType: "host-gw" }));
    assert.deepEqual(admit(DUAL_NETWORK, foreign).leftOut, [
      { key: foreign.key, reason: "its backend is host-gw, ours is vxlan" },
    ]);
    const two = dualLease(hostNumber(1, { v4: "10.9.1.0/24", v6: "fd09::/64" }));
    assert.match(admit(DUAL_NETWORK, two).leftOut[0]?.reason ?? "", /10\.5\.0\.0\/16; its subnet .* fd00:5::\/48/);
  });

  test("takes a host that has been given an IPv6 subnet for a peer by IPv4 in a network that has no IPv6", () => {
    assert.deepEqual(subnets(admit(IPV4_NETWORK, dualLease(hostNumber(1)))), ["10.5.1.0/24 null"]);
  });

  test("never takes two that overlap each other or us", () => {
    const crowded = fc.tuple(fc.nat(0xfff), fc.integer({ min: 46, max: 60 })).map(([low, length]) => {
      const v6 = parsePrefix6(`${ipv6FromNumber(0xfd00_0005n * 2n ** 96n + BigInt(low) * 2n ** 68n)}/${length}`);
      return dualLease(ipv6Only(hostNumber(1, { v6, publicIpv6: `fd77::9:${length}` })));
    });
    fc.assert(
      fc.property(fc.array(crowded, { maxLength: 30 }), (leases) => {
        const { peers, leftOut } = admit(IPV6_NETWORK, ...leases);
        const all = [...peers, SELF].flatMap(({ subnet }) => subnet.v6 ?? []);
        for (const [index, a] of all.entries()) {
          assert.ok(prefix6Contains(parsePrefix6("fd00:5::/48"), a));
          for (const b of all.slice(index + 1)) assert.equal(prefix6Overlaps(a, b), false, `${a} ${b}`);
        }
        assert.equal(peers.length + leftOut.length, new Set(leases.map(({ key }) => key)).size);
      }),
    );
  });
});

describe("admission in a network of IPv6 alone", () => {
  test("takes hosts by IPv6, whatever their IPv4", () => {
    const admission = admit(IPV6_NETWORK, dualLease(ipv6Only(hostNumber(1))), dualLease(hostNumber(2)));
    assert.deepEqual(subnets(admission), ["0.0.0.0/0 fd00:5:0:1::/64", "0.0.0.0/0 fd00:5:0:2::/64"]);
  });

  test("leaves out a host without IPv6, and one without a public IPv6 address", () => {
    const [first, second] = [ipv4Only(hostNumber(1)), { ...hostNumber(2), publicIpv6: "" }];
    const reasons = admit(IPV6_NETWORK, dualLease(first), dualLease(second)).leftOut.map(({ reason }) => reason);
    assert.deepEqual(reasons, ["it has no IPv6 subnet", "it has no public IPv6 address"]);
  });
});

describe("whose a record is", () => {
  const self = { nodeId: null, publicIp: "192.168.64.52" as Ipv4, publicIpv6: SELF.attrs.publicIpv6 };

  test("is told by IPv4 where both have it, and else by IPv6", () => {
    assert.equal(ownershipOf(dualLease(hostNumber(52)).attrs, self), "ours");
    assert.equal(ownershipOf(dualLease(hostNumber(52, { publicIpv6: "fd77::99" })).attrs, self), "ours");
    assert.equal(ownershipOf(dualLease(hostNumber(1, { publicIpv6: "fd77::52" })).attrs, self), "another's");
    assert.equal(ownershipOf(dualLease(ipv6Only(hostNumber(52))).attrs, self), "ours");
    assert.equal(ownershipOf(dualLease(ipv6Only(hostNumber(1))).attrs, self), "another's");
  });

  test("is disputed when the id is ours and the address of the only family is not", () => {
    const lease = dualLease(ipv6Only(hostNumber(1, { nodeId: "aa" })));
    assert.equal(ownershipOf(lease.attrs, { ...self, nodeId: "aa" as NodeId }), "disputed");
  });
});

describe("peers whose records are gone", () => {
  const rules = { grace: minutes(15), self: SELF.key };
  const after = (before: readonly Lease[], now: readonly Lease[]) => {
    const keeping = keepDeparted(startKeeping(tableOf(before)), tableOf(now, 10), millis(1), rules);
    return [...tableWithDeparted(keeping).leases.keys()];
  };
  const dualGone = dualLease(hostNumber(1));

  test("are back when the host has another subnet by now, as after a family was added", () => {
    const [before, now] = [dualLease(ipv4Only(hostNumber(1))), dualLease(hostNumber(1))];
    assert.deepEqual(after([before], [now]), [now.key]);
  });

  test("are kept in a network of IPv6 alone, where every host is at 0.0.0.0", () => {
    const [gone, stays] = [dualLease(ipv6Only(hostNumber(1))), dualLease(ipv6Only(hostNumber(2)))];
    assert.deepEqual(after([gone, stays], [stays]).toSorted(), [gone.key, stays.key].toSorted());
  });

  test("are let go when another host has the IPv4 subnet by now, or the IPv6 one of a host that has no other", () => {
    const heir = dualLease(hostNumber(2, { v4: "10.5.1.0/24" }));
    assert.deepEqual(after([dualGone], [heir]), [heir.key]);
    const heir6 = dualLease(ipv6Only(hostNumber(2, { v6: "fd00:5::/60" })));
    assert.deepEqual(after([dualLease(ipv6Only(hostNumber(1)))], [heir6]), [heir6.key]);
  });

  test("are kept by IPv4 when another host has the IPv6 subnet by now", () => {
    for (const v6 of ["fd00:5:0:1::/64", "fd00:5::/60"]) {
      const heir = dualLease(hostNumber(2, { v6 }));
      let keeping = keepDeparted(startKeeping(tableOf([dualGone])), tableOf([heir], 10), millis(1), rules);
      assert.deepEqual(tableWithDeparted(keeping).leases.get(dualGone.key)?.subnet, { v4: "10.5.1.0/24", v6: null });
      keeping = keepDeparted(keeping, tableOf([heir, dualGone], 11), millis(2), rules);
      assert.equal(tableWithDeparted(keeping).leases.get(dualGone.key), dualGone);
    }
  });
});
