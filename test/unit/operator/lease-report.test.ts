import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EpochMillis } from "../../../src/base/brand.ts";
import { checkConfig, type ValidConfig } from "../../../src/operator/check-config.ts";
import { formatSummary, leaseTable, reportJson, reportLeases } from "../../../src/operator/lease-report.ts";
import type { Json, Lease, LeaseTerm, Revision, SubnetKey } from "../../../src/subnet/lease.ts";
import type { BadRecord } from "../../../src/subnet/lease-store.ts";
import { leaseOf } from "../../support/leases.ts";

const NOW = 1_000_000 as EpochMillis;

function config(): ValidConfig {
  const check = checkConfig('{"Network":"10.5.0.0/20","Backend":{"Type":"vxlan"}}');
  assert.equal(check.kind, "valid");
  return check;
}

function reserved(lease: Lease): Lease {
  return { ...lease, term: { kind: "reserved" } };
}

const SECOND = leaseOf({ subnet: "10.5.2.0/24", publicIp: "10.0.0.2" });
const TENTH = leaseOf({ subnet: "10.5.10.0/24", publicIp: "10.0.0.10" });
const KEPT = reserved(leaseOf({ subnet: "10.5.3.0/24", publicIp: "10.0.0.3" }));
const TERMS = new Map<SubnetKey, LeaseTerm>([
  [SECOND.key, { kind: "until", at: (NOW + 86_399_000) as EpochMillis }],
  [TENTH.key, { kind: "until", at: (NOW - 5000) as EpochMillis }],
]);

function report(leases: readonly Lease[], bad: readonly BadRecord[] = [], terms: typeof TERMS = TERMS) {
  return reportLeases({ revision: "7" as Revision, leases, bad }, terms, config());
}

describe("the report of all leases", () => {
  it("is sorted by address, with the time that each has left", () => {
    const { heading, rows } = leaseTable(report([TENTH, KEPT, SECOND]), NOW);
    assert.deepEqual(heading, ["SUBNET", "PUBLIC IP", "BACKEND", "KIND", "TIME LEFT"]);
    assert.deepEqual(rows, [
      ["10.5.2.0/24", "10.0.0.2", "vxlan", "leased", "23h59m"],
      ["10.5.3.0/24", "10.0.0.3", "vxlan", "reserved", "no end"],
      ["10.5.10.0/24", "10.0.0.10", "vxlan", "leased", "0s"],
    ]);
  });

  it("has no column for times that were not asked for", () => {
    const { heading, rows } = leaseTable(report([SECOND], [], new Map()), NOW);
    assert.deepEqual(heading, ["SUBNET", "PUBLIC IP", "BACKEND", "KIND"]);
    assert.deepEqual(rows, [["10.5.2.0/24", "10.0.0.2", "vxlan", "leased"]]);
  });

  it("says of which leases no daemon makes use, and why", () => {
    const outside = reserved(leaseOf({ subnet: "10.6.1.0/24", publicIp: "10.0.0.6" }));
    const small = reserved(leaseOf({ subnet: "10.5.4.0/25", publicIp: "10.0.0.4" }));
    const first = reserved(leaseOf({ subnet: "10.5.0.0/24", publicIp: "10.0.0.5" }));
    const other = reserved(leaseOf({ subnet: "10.5.5.0/24", publicIp: "10.0.0.7", backendType: "" }));
    const { heading, rows } = leaseTable(report([outside, small, first, other, KEPT]), NOW);
    assert.equal(heading.at(-1), "PROBLEM");
    assert.deepEqual(
      rows.map((row) => row.at(-1)),
      [
        "it is outside the range from 10.5.1.0 to 10.5.15.0 (SubnetMin, SubnetMax)",
        "",
        "subnets of this network are /24 (SubnetLen)",
        "the config says vxlan",
        "it is not inside the network 10.5.0.0/20",
      ],
    );
  });

  const problems = (...leases: readonly Lease[]) => report(leases).leases.map(({ problem }) => problem);

  it("says which records announce nothing that vxlan can use, but for reservations of hosts that are to come", () => {
    const at = (subnet: string, backendData: Json) => leaseOf({ subnet, publicIp: "10.0.0.6", backendData });
    const multicast = { VNI: 1, VtepMAC: "01:00:00:00:00:01" };
    const found = problems(at("10.5.6.0/24", null), at("10.5.7.0/24", multicast), reserved(at("10.5.8.0/24", null)));
    const fault = "its BackendData has no usable VtepMAC";
    assert.deepEqual(found, [fault, fault, null]);
    assert.deepEqual(problems(reserved(at("10.5.8.0/24", multicast))), [fault]);
  });

  it("says which hosts have one public IP, unless they may be one host", () => {
    const at = (subnet: string, publicIp: string, nodeId?: string) =>
      leaseOf({ subnet, publicIp, ...(nodeId && { nodeId }) });
    const twins = [
      at("10.5.6.0/24", "10.0.0.6", "a"),
      at("10.5.7.0/24", "10.0.0.6", "b"),
      at("10.5.8.0/24", "10.0.0.6"),
    ];
    assert.deepEqual(problems(...twins), [
      "its public IP is also that of 10.5.7.0/24, whose host is another (node b)",
      "its public IP is also that of 10.5.6.0/24, whose host is another (node a)",
      null,
    ]);
    const one = [
      at("10.5.6.0/24", "10.0.0.6", "a"),
      at("10.5.7.0/24", "10.0.0.6", "a"),
      at("10.5.8.0/24", "10.0.0.8", "b"),
    ];
    assert.deepEqual(problems(...one), [null, null, null]);
  });

  it("says to which hosts no packet can be sent", () => {
    assert.match(problems(leaseOf({ subnet: "10.5.6.0/24", publicIp: "127.0.0.1" }))[0] ?? "", /^its public IP is not/);
    const inside = leaseOf({ subnet: "10.5.6.0/24", publicIp: "10.5.6.1" });
    assert.deepEqual(problems(inside), ["its public IP is an address of its own subnet"]);
  });

  it("sums up what there is and what is free: bad records take their subnet, larger leases all of theirs", () => {
    const large = reserved(leaseOf({ subnet: "10.5.4.0/23", publicIp: "10.0.0.4" }));
    const bad = [
      { key: "10.5.6.0-24", reason: "no lease" },
      { key: "foo", reason: "no key" },
    ];
    const sums = report([SECOND, TENTH, KEPT, large], bad);
    assert.equal(formatSummary(sums), "2 leases, 2 reserved, 2 bad, 9 free of 15");
    assert.equal(formatSummary(report([SECOND])), "1 lease, 0 reserved, 14 free of 15");
    const list = { revision: "7" as Revision, leases: [SECOND], bad: [] };
    assert.equal(formatSummary(reportLeases(list, TERMS, null)), "1 lease, 0 reserved");
  });

  it("has a JSON form in which nothing is missing", () => {
    assert.deepEqual(reportJson(report([SECOND, KEPT], [{ key: "foo", reason: "no key" }])), {
      leases: [
        {
          subnet: "10.5.2.0/24",
          subnet6: null,
          publicIp: "10.0.0.2",
          publicIpv6: null,
          nodeId: null,
          backend: "vxlan",
          backendData: { VNI: 1, VtepMAC: "02:00:00:00:00:01" },
          kind: "leased",
          expires: "1970-01-02T00:16:39.000Z",
          problem: null,
        },
        {
          subnet: "10.5.3.0/24",
          subnet6: null,
          publicIp: "10.0.0.3",
          publicIpv6: null,
          nodeId: null,
          backend: "vxlan",
          backendData: { VNI: 1, VtepMAC: "02:00:00:00:00:01" },
          kind: "reserved",
          expires: null,
          problem: null,
        },
      ],
      bad: [{ key: "foo", reason: "no key" }],
      summary: { leased: 1, reserved: 1, bad: 1, free: 13, total: 15 },
    });
  });
});
