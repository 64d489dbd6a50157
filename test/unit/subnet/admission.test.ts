import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Prefix4 } from "../../../src/base/ip.ts";
import { ipv4FromNumber, ipv4Number, prefix4Address, prefix4Contains, prefix4Overlaps } from "../../../src/base/ip.ts";
import { type Admission, admitPeers } from "../../../src/subnet/admission.ts";
import type { Lease } from "../../../src/subnet/lease.ts";
import { EMPTY_TABLE, type LeaseTable } from "../../../src/subnet/lease-table.ts";
import { leaseOf, networkOf, peerNumber } from "../../support/leases.ts";

const network = networkOf({ Network: "10.3.0.0/16", Backend: { Type: "vxlan" } });
const self = leaseOf({ subnet: "10.3.1.0/24", publicIp: "192.168.0.1" });

function tableOf(leases: readonly Lease[]): LeaseTable {
  return { ...EMPTY_TABLE, complete: true, leases: new Map(leases.map((lease) => [lease.key, lease])) };
}

function admit(...leases: readonly Lease[]): Admission {
  return admitPeers(tableOf(leases), { network, self, backendType: "vxlan", onLink: [] });
}

function peer(
  subnet: string,
  publicIp = `192.168.9.${(ipv4Number(prefix4Address(subnet as Prefix4)) >>> 8) & 255}`,
): Lease {
  return leaseOf({ subnet, publicIp });
}

/** The only reason why the lease is left out. */
function reasonFor(lease: Lease): string | undefined {
  const { peers, leftOut } = admit(self, lease);
  assert.deepEqual(peers, []);
  assert.deepEqual(
    leftOut.map(({ key }) => key),
    [lease.key],
  );
  return leftOut[0]?.reason;
}

describe("admission", () => {
  test("takes every peer, sorted by subnet, and passes over our own record in silence", () => {
    const leases = ["10.3.200.0/24", "10.3.9.0/24", "10.3.10.0/24"].map((subnet) => peer(subnet));
    const { peers, leftOut } = admit(...leases, self);
    assert.deepEqual(
      peers.map(({ subnet }) => subnet.v4),
      ["10.3.9.0/24", "10.3.10.0/24", "10.3.200.0/24"],
    );
    assert.deepEqual(leftOut, []);
    assert.ok(peers.every((admitted) => leases.includes(admitted)));
  });

  test("takes a peer with a subnet of another length inside the network", () => {
    assert.equal(admit(self, peer("10.3.8.0/22"), peer("10.3.2.128/25")).peers.length, 2);
  });

  test("leaves out a subnet that is not inside the network", () => {
    assert.equal(reasonFor(peer("10.4.1.0/24")), "its subnet is not inside the network 10.3.0.0/16");
    assert.match(reasonFor(peer("10.0.0.0/8")) ?? "", /not inside the network/);
    assert.match(reasonFor(peer("0.0.0.0/0")) ?? "", /not inside the network/);
  });

  test("leaves out a subnet that overlaps our own", () => {
    for (const subnet of ["10.3.0.0/23", "10.3.1.128/25", "10.3.0.0/16"]) {
      assert.equal(reasonFor(peer(subnet)), "its subnet overlaps our own, 10.3.1.0/24");
    }
  });

  test("leaves out a host whose public IP is an address of its own subnet, to which packets would go round", () => {
    const reason = reasonFor(peer("10.3.9.0/24", "10.3.9.1"));
    assert.match(
      reason ?? "",
      /^its public IP is inside its own subnet 10\.3\.9\.0\/24: .* needs --iface or --public-ip$/,
    );
    assert.equal(admit(self, peer("10.3.9.0/24", "10.3.10.1")).peers.length, 1);
  });

  describe("in a network that the hosts are in, too", () => {
    const wide = networkOf({ Network: "10.0.0.0/8", Backend: { Type: "vxlan" } });
    const ours = leaseOf({ subnet: "10.99.1.0/24", publicIp: "10.240.0.2" });
    const onLink: readonly Prefix4[] = ["10.240.0.0/20" as Prefix4];
    const judged = (subnet: string, links = onLink, network = wide) => {
      const rules = { network, self: ours, backendType: "vxlan", onLink: links };
      return admitPeers(tableOf([ours, peer(subnet)]), rules).leftOut[0]?.reason ?? null;
    };

    test("leaves out a subnet that contains our own public IP", () => {
      assert.equal(judged("10.240.0.0/24"), "its subnet 10.240.0.0/24 contains our own public IP");
    });

    test("leaves out one on their link that is larger or smaller than all others, and takes one like all others", () => {
      const reason = "its subnet 10.240.7.4/31 overlaps 10.240.0.0/20, where hosts are, and is not a /24";
      assert.equal(judged("10.240.7.4/31"), reason);
      assert.match(judged("10.240.8.0/21") ?? "", /where hosts are/);
      assert.equal(judged("10.240.7.0/24"), null);
      assert.equal(judged("10.99.7.4/31"), null);
    });

    test("takes any where the link is larger than the network", () => {
      const inside = networkOf({ Network: "10.96.0.0/11", Backend: { Type: "vxlan" } });
      assert.equal(judged("10.99.7.4/31", ["10.0.0.0/8" as Prefix4], inside), null);
    });
  });

  test("leaves out a subnet with a host part", () => {
    const lease = peer("10.3.2.0/24");
    const crooked = { ...lease, subnet: { v4: "10.3.2.7/24" as Prefix4, v6: null } };
    assert.equal(reasonFor(crooked), "its subnet 10.3.2.7/24 has a host part");
  });

  test("leaves out a host to which no packet can be sent", () => {
    for (const ip of ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"]) {
      assert.equal(
        reasonFor(peer("10.3.2.0/24", ip)),
        `its public IP ${ip} is not an address that a packet can be sent to`,
      );
    }
  });

  test("leaves out a record with our own public IP and says what it may be", () => {
    const reason = reasonFor(peer("10.3.2.0/24", "192.168.0.1"));
    assert.match(
      reason ?? "",
      /192\.168\.0\.1 is our own: it is a stale record of this host, or a second host has our address/,
    );
  });

  test("leaves out a host with another backend and names both", () => {
    const gateway = leaseOf({ subnet: "10.3.2.0/24", publicIp: "192.168.0.2", backendType: "host-gw" });
    assert.equal(reasonFor(gateway), "its backend is host-gw, ours is vxlan");
    const udp = leaseOf({ subnet: "10.3.2.0/24", publicIp: "192.168.0.2", backendType: "" });
    assert.equal(reasonFor(udp), "its backend is udp, ours is vxlan");
  });

  test("takes hosts of udp for udp, whether they say so or, as the Go daemon does, nothing, and no others", () => {
    const records = ["", "udp", "vxlan"].map((backendType, index) =>
      leaseOf({ subnet: `10.3.${index + 2}.0/24`, publicIp: `192.168.0.${index + 2}`, backendType }),
    );
    for (const backendType of ["", "udp"]) {
      const { peers, leftOut } = admitPeers(tableOf([self, ...records]), { network, self, backendType, onLink: [] });
      assert.deepEqual(peers, records.slice(0, 2));
      assert.match(leftOut[0]?.reason ?? "", /its backend is vxlan/);
    }
  });

  test("of two subnets that overlap takes the one of the configured length, and names it to the other", () => {
    const wide = peer("10.3.64.0/22");
    const usual = peer("10.3.66.0/24");
    const { peers, leftOut } = admit(self, wide, usual);
    assert.deepEqual(peers, [usual]);
    const reason = `its subnet overlaps that of 10.3.66.0-24, host ${usual.attrs.publicIp}`;
    assert.deepEqual(leftOut, [{ key: "10.3.64.0-22", reason }]);
  });

  test("of two subnets of unusual length that overlap takes the lower key", () => {
    const { peers } = admit(self, peer("10.3.8.0/22"), peer("10.3.8.0/23"));
    assert.deepEqual(
      peers.map(({ key }) => key),
      ["10.3.8.0-22"],
    );
  });

  test("lists what is left out sorted by key", () => {
    const { leftOut } = admit(self, peer("10.9.0.0/24"), peer("10.3.1.0/25"), peer("10.4.0.0/24"));
    assert.deepEqual(
      leftOut.map(({ key }) => key),
      ["10.3.1.0-25", "10.4.0.0-24", "10.9.0.0-24"],
    );
  });

  test("never takes two that overlap each other or us, and leaves none out without a cause", () => {
    const crowded = fc.tuple(fc.nat(0xfff), fc.integer({ min: 15, max: 28 })).map(([low, length]) => {
      return leaseOf({ subnet: `${ipv4FromNumber(0x0a030000 + low * 16)}/${length}`, publicIp: `192.168.8.${length}` });
    });
    fc.assert(
      fc.property(fc.array(crowded, { maxLength: 30 }), (leases) => {
        const { peers, leftOut } = admit(...leases);
        const subnets = [...peers, self].map(({ subnet }) => subnet.v4);
        for (const [index, a] of subnets.entries()) {
          assert.ok(prefix4Contains("10.3.0.0/16" as Prefix4, a));
          for (const b of subnets.slice(index + 1)) assert.equal(prefix4Overlaps(a, b), false, `${a} ${b}`);
        }
        for (const { key, reason } of leftOut) {
          const refused = leases.find((lease) => lease.key === key);
          if (!refused || !reason.startsWith("its subnet overlaps")) continue;
          assert.ok(
            subnets.some((taken) => prefix4Overlaps(taken, refused.subnet.v4)),
            `${key}: ${reason}`,
          );
        }
        const keys = new Set(leases.map(({ key }) => key).filter((key) => key !== self.key));
        assert.equal(peers.length + leftOut.length, keys.size);
      }),
    );
  });

  test("resolves ten thousand subnets that all overlap one, and takes them when they are of the configured length", () => {
    const wide = networkOf({ Network: "10.0.0.0/8", Backend: { Type: "vxlan" } });
    const all = leaseOf({ subnet: "10.0.0.0/9", publicIp: "192.168.0.99" });
    const table = tableOf([all, ...Array.from({ length: 10_000 }, (_, n) => peerNumber(n))]);
    const ours = leaseOf({ subnet: "10.255.255.0/24", publicIp: "192.168.0.1" });
    const { peers, leftOut } = admitPeers(table, { network: wide, self: ours, backendType: "vxlan", onLink: [] });
    assert.equal(peers.length, 10_000);
    assert.equal(leftOut[0]?.key, all.key);
  });

  test("judges ten thousand leases in a fraction of a second", () => {
    const wide = networkOf({ Network: "10.0.0.0/8", Backend: { Type: "vxlan" } });
    const table = tableOf(Array.from({ length: 10_000 }, (_, n) => peerNumber(n)));
    const rules = { network: wide, self: peerNumber(0), backendType: "vxlan", onLink: [] };
    for (let turn = 0; turn < 5; turn++) admitPeers(table, rules);
    const before = performance.now();
    assert.equal(admitPeers(table, rules).peers.length, 9_999);
    // An algorithm that compares every pair needs seconds; a slow machine does not.
    assert.ok(performance.now() - before < 500);
  });
});
