// What the operator's commands make of IPv6.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EpochMillis } from "../../../src/base/brand.ts";
import type { Json } from "../../../src/base/json.ts";
import { checkConfig, type ValidConfig } from "../../../src/operator/check-config.ts";
import { diffConfigs, excludedLeases, restartsFor } from "../../../src/operator/config-change.ts";
import { configJson, describeConfig } from "../../../src/operator/config-view.ts";
import { leaseTable, reportLeases } from "../../../src/operator/lease-report.ts";
import { decideReserve } from "../../../src/operator/reservation.ts";
import type { Revision } from "../../../src/subnet/lease.ts";
import { dualLease, hostNumber, ipv4Only, ipv6Only } from "../../support/dual-stack.ts";

const V4 = { Network: "10.5.0.0/16", Backend: { Type: "vxlan" } };
const DUAL = { ...V4, EnableIPv6: true, IPv6Network: "fd00:5::/48" };
const ALONE = { ...DUAL, EnableIPv4: false };

function valid(config: Json): ValidConfig {
  const check = checkConfig(JSON.stringify(config));
  assert.ok(check.kind === "valid", JSON.stringify(check));
  return check;
}

const OLD = dualLease(ipv4Only(hostNumber(1)));
const NEW = dualLease(hostNumber(2));
const IPV6 = dualLease(ipv6Only(hostNumber(3)));

describe("a config with IPv6", () => {
  it("is shown with the values of both families, or of the one that there is", () => {
    assert.deepEqual(
      describeConfig(valid(DUAL))
        .slice(5, 10)
        .map(([name, value]) => `${name}: ${value}`),
      [
        "IPv6Network: fd00:5::/48",
        "IPv6SubnetLen: 64",
        "IPv6SubnetMin: fd00:5:0:1::",
        "IPv6SubnetMax: fd00:5:0:ffff::",
        "IPv6 subnets: 65535, from fd00:5:0:1::/64 to fd00:5:0:ffff::/64",
      ],
    );
    assert.equal(describeConfig(valid(ALONE))[0]?.[0], "IPv6Network");
    const json = configJson(valid(ALONE)) as { readonly [key: string]: Json };
    assert.deepEqual([json["network"], (json["ipv6"] as { readonly network: Json }).network], [null, "fd00:5::/48"]);
    assert.equal((configJson(valid(V4)) as { readonly ipv6: Json }).ipv6, null);
  });

  it("needs a restart to be followed, and takes no IPv4 subnet away", () => {
    const { members, hosts } = restartsFor(JSON.stringify(V4), JSON.stringify(DUAL), [OLD]);
    assert.deepEqual([members, hosts], [["EnableIPv6"], ["192.168.64.1"]]);
    assert.deepEqual(restartsFor(JSON.stringify(ALONE), JSON.stringify(DUAL), []).members, ["EnableIPv4"]);
    assert.deepEqual(excludedLeases(valid(V4), valid(DUAL), [OLD]), []);
    assert.deepEqual(excludedLeases(valid(DUAL), valid(V4), [OLD, NEW]), [NEW]);
    assert.deepEqual(excludedLeases(valid(DUAL), valid(ALONE), [OLD, NEW, IPV6]), [OLD, NEW]);
  });

  it("differs by the members of the family that is added or taken away", () => {
    const members = (before: Json, after: Json) => diffConfigs(valid(before), valid(after)).map(({ member }) => member);
    const added = ["IPv6Network", "IPv6SubnetLen", "IPv6SubnetMin", "IPv6SubnetMax"];
    assert.deepEqual(members(V4, DUAL), added);
    assert.deepEqual(members(DUAL, V4), added);
  });
});

describe("leases of two families", () => {
  const list = { revision: "7" as Revision, leases: [OLD, NEW, IPV6], bad: [] };

  it("are listed with both subnets, with what a host lacks, and with the room of the smaller family", () => {
    const report = reportLeases(list, new Map(), valid({ ...DUAL, IPv6Network: "fd00:5::/60", IPv6SubnetLen: 64 }));
    assert.deepEqual(report.room, { free: 13, total: 15 });
    const rows = leaseTable(report, 0 as EpochMillis).rows.map((row) => [row[0], row[1], row.at(-1)]);
    assert.deepEqual(rows, [
      ["fd00:5:0:3::/64", "fd77::3", "until flanneld is restarted there it has no IPv4"],
      ["10.5.1.0/24", "192.168.64.1", "until flanneld is restarted there it has no IPv6"],
      ["10.5.2.0/24 fd00:5:0:2::/64", "192.168.64.2", ""],
    ]);
  });

  it("are of no use where the IPv6 subnet is outside the network", () => {
    const report = reportLeases(list, new Map(), valid({ ...DUAL, IPv6Network: "fd09::/48" }));
    assert.match(report.leases[2]?.problem ?? "", /its IPv6 subnet is not inside the network fd09::\/48/);
  });

  it("are reserved by their IPv4 subnet, which a network without IPv4 has not", () => {
    const request = { subnet: NEW.subnet.v4, publicIp: null, asking: [] };
    assert.deepEqual(decideReserve(request, list, valid(DUAL)), { kind: "keep", lease: NEW });
    const refused = decideReserve(request, list, valid(ALONE));
    assert.ok(refused.kind === "refused" && /the network has no IPv4/.test(refused.reason));
  });
});
