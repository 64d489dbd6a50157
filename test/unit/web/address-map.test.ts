import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parsePrefix4 } from "../../../src/base/ip.ts";
import { parsePrefix6 } from "../../../src/base/ipv6.ts";
import { NO_SUBNET4, type Subnet } from "../../../src/subnet/lease.ts";
import type { Ipv4Network } from "../../../src/subnet/network-config.ts";
import { ipv4Space } from "../../../src/subnet/subnet-space.ts";
import { MOST_CELLS, mapAddresses } from "../../../src/web/address-map.ts";
import type { HostState } from "../../../src/web/overlay.ts";
import { DUAL_NETWORK, IPV6_NETWORK } from "../../support/dual-stack.ts";
import { networkOf } from "../../support/leases.ts";

function networkIn(config: Parameters<typeof networkOf>[0]) {
  const { ipv4 } = networkOf(config);
  assert.ok(ipv4);
  return ipv4;
}

function mapOf(
  network: Ipv4Network,
  hosts: readonly HostState[],
  spoilt: readonly Subnet[],
  isExpiring: (host: HostState) => boolean,
) {
  const [map] = mapAddresses({ ipv4: network, ipv6: null }, hosts, spoilt, isExpiring).maps;
  assert.ok(map);
  return map;
}

function hostOn(subnet: string, kind: HostState["kind"] = "leased"): HostState {
  const facts = { publicIp: "192.0.2.1", nodeId: null, backend: "vxlan", expires: null, problem: null };
  return {
    ...facts,
    subnet,
    subnet4: subnet,
    subnet6: null,
    kind,
    condition: "unknown",
    reasons: [],
    heard: null,
    daemon: null,
  };
}

const NEVER = () => false;

describe("mapAddresses()", () => {
  it("has a cell for each subnet of a network that can be drawn", () => {
    const network = networkIn({ Network: "10.5.0.0/16", SubnetMin: "10.5.10.0", SubnetMax: "10.5.99.0" });
    const map = mapOf(network, [hostOn("10.5.10.0/24"), hostOn("10.5.99.0/24", "reserved")], [], NEVER);
    assert.deepEqual([map.total, map.group, map.cells, map.subnetLen], [90, 1, 90, 24]);
    assert.deepEqual(map.taken, [
      { index: 0, kind: "leased", count: 1, subnets: ["10.5.10.0/24"] },
      { index: 89, kind: "reserved", count: 1, subnets: ["10.5.99.0/24"] },
    ]);
  });

  it("lets one cell stand for several subnets where there are too many, and shows the one that needs a look", () => {
    const network = networkIn({ Network: "10.0.0.0/8", SubnetLen: 24 });
    const hosts = [hostOn("10.0.1.0/24", "reserved"), hostOn("10.0.2.0/24"), hostOn("10.0.3.0/24")];
    const map = mapOf(
      network,
      hosts,
      [{ v4: parsePrefix4("10.0.16.0/24"), v6: null }],
      ({ subnet }) => subnet === "10.0.2.0/24",
    );
    assert.deepEqual([map.total, map.group, map.cells], [65_535, 64, 1024]);
    assert.deepEqual(map.taken, [
      { index: 0, kind: "bad", count: 4, subnets: ["10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24", "10.0.16.0/24"] },
    ]);
  });

  it("has one for each family of the network, each with what the records take of it", () => {
    const dual = (n: number, change = {}) => ({
      ...hostOn(`10.5.${n}.0/24`),
      subnet6: `fd00:5:0:${n.toString(16)}::/64`,
      ...change,
    });
    const hosts = [
      dual(1),
      dual(40),
      dual(3, { subnet6: null }),
      dual(4, { subnet: "fd00:5:0:4::/64", subnet4: null }),
    ];
    const bad = [{ v4: NO_SUBNET4, v6: parsePrefix6("fd00:5:0:50::/64") }];
    const { maps, outside } = mapAddresses(DUAL_NETWORK, hosts, bad, NEVER);
    assert.deepEqual(
      maps.map(({ family, network, total, group, cells }) => [family, network, total, group, cells]),
      [
        ["IPv4", "10.5.0.0/16", 255, 1, 255],
        ["IPv6", "fd00:5::/48", 65_535, 64, 1024],
      ],
    );
    assert.deepEqual(
      maps.map(({ taken }) => taken.map(({ index, kind, subnets }) => [index, kind, ...subnets])),
      [
        [
          [0, "leased", "10.5.1.0/24"],
          [2, "leased", "10.5.3.0/24"],
          [39, "leased", "10.5.40.0/24"],
        ],
        [
          [0, "leased", "10.5.1.0/24", "10.5.40.0/24", "fd00:5:0:4::/64"],
          [1, "bad", "fd00:5:0:50::/64"],
        ],
      ],
    );
    assert.deepEqual(outside, []);
    const astray = [dual(1, { subnet6: "fd09::/64" }), dual(2, { subnet4: "10.9.0.0/24" })];
    assert.deepEqual(mapAddresses(DUAL_NETWORK, astray, [], NEVER).outside, ["fd09::/64", "10.9.0.0/24"]);
    assert.deepEqual(mapAddresses(IPV6_NETWORK, [dual(3, { subnet6: null })], [], NEVER).outside, ["10.5.3.0/24"]);
  });

  it("draws what daemons use of an IPv6 network that has more", () => {
    const network = networkOf({ EnableIPv4: false, EnableIPv6: true, IPv6Network: "fd00::/16" });
    const hostAt = (subnet: string) => ({ ...hostOn(subnet), subnet4: null, subnet6: subnet });
    const hosts = [hostAt("fd00:0:0:1::/64"), hostAt("fd00:1::/64"), hostAt("fd00:1:0:1::/64")];
    const { maps, outside } = mapAddresses(network, hosts, [], NEVER);
    const [map] = maps;
    assert.deepEqual([map?.total, map?.group, map?.cells], [2 ** 32, 2 ** 22, 1024]);
    assert.deepEqual(
      map?.taken.map(({ index }) => index),
      [0, 1023],
    );
    assert.deepEqual(outside, ["fd00:1:0:1::/64"]);
  });

  it("never has more cells than can be drawn, and each taken subnet in exactly one", () => {
    const sketch = fc.record({ length: fc.integer({ min: 4, max: 24 }), more: fc.integer({ min: 2, max: 6 }) });
    fc.assert(
      fc.property(sketch, fc.array(fc.nat(), { maxLength: 40 }), ({ length, more }, picks) => {
        const network = networkIn({
          Network: `10.0.0.0/${Math.max(8, length)}`,
          SubnetLen: Math.max(8, length) + more,
        });
        const space = ipv4Space(network);
        const total = space.count;
        const subnets = [...new Set(picks.map((pick) => space.at(pick % total)))];
        const map = mapOf(
          network,
          subnets.map((subnet) => hostOn(subnet)),
          [],
          NEVER,
        );
        assert.ok(map.cells <= MOST_CELLS && map.cells * map.group >= total);
        assert.equal(
          map.taken.reduce((sum, { count }) => sum + count, 0),
          subnets.length,
        );
        assert.ok(map.taken.every(({ index, count }) => index < map.cells && count <= map.group));
      }),
    );
  });
});
