import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseIpv4, parsePrefix4 } from "../../../src/base/ip.ts";
import { checkConfig, type ValidConfig } from "../../../src/operator/check-config.ts";
import { decideRelease, decideReserve } from "../../../src/operator/reservation.ts";
import type { Lease, Revision } from "../../../src/subnet/lease.ts";
import type { BadRecord } from "../../../src/subnet/lease-store.ts";
import { leaseOf } from "../../support/leases.ts";

function config(backend: string): ValidConfig {
  const check = checkConfig(`{"Network":"10.5.0.0/16","Backend":{"Type":"${backend}"}}`);
  assert.equal(check.kind, "valid");
  return check;
}

const LEASED = leaseOf({ subnet: "10.5.1.0/24", publicIp: "10.0.0.1" });
const RESERVED: Lease = { ...leaseOf({ subnet: "10.5.2.0/24", publicIp: "10.0.0.2" }), term: { kind: "reserved" } };
const LARGE = leaseOf({ subnet: "10.5.4.0/23", publicIp: "10.0.0.4" });
/** Of a host without IPv4: it takes no IPv4 subnet. */
const IPV6_ONLY = leaseOf({ subnet: "0.0.0.0/0", publicIp: "0.0.0.0" });
const SPOILT: BadRecord = { key: "10.5.8.0-24", reason: "its value is not a lease" };
const LONG = "x".repeat(300);
const LIST = {
  revision: "7" as Revision,
  leases: [IPV6_ONLY, LEASED, RESERVED, LARGE],
  bad: [SPOILT, { key: "foo", reason: "x" }, { key: LONG.slice(0, 256), reason: "too long" }],
};

function reserve(subnet: string, publicIp: string | null = null, backend = "vxlan") {
  const request = {
    subnet: parsePrefix4(subnet),
    publicIp: publicIp === null ? null : parseIpv4(publicIp),
    asking: [],
  };
  return decideReserve(request, LIST, config(backend));
}

function release(subnet: string, { now = false, force = false } = {}) {
  return decideRelease({ target: { kind: "subnet", subnet: parsePrefix4(subnet) }, now, force }, LIST);
}

function releaseKey(key: string, { now = true, force = true } = {}) {
  return decideRelease({ target: { kind: "key", key }, now, force }, LIST);
}

describe("reserving", () => {
  it("refuses a public IP that is an address of the subnet, whose record every daemon would leave out", () => {
    const reason = "10.5.60.0/24 cannot be reserved for 10.5.60.1: that is an address of the subnet, and of no host";
    assert.deepEqual(reserve("10.5.60.0/24", "10.5.60.1"), { kind: "refused", reason, hint: null });
    assert.equal(reserve("10.5.60.0/24", "10.5.61.1").kind, "create");
  });

  it("keeps a leased subnet for the host that has it", () => {
    assert.deepEqual(reserve("10.5.1.0/24"), { kind: "keep", lease: LEASED });
    assert.deepEqual(reserve("10.5.1.0/24", "10.0.0.1"), { kind: "keep", lease: LEASED });
  });

  it("has nothing to do where the subnet is reserved for that host", () => {
    assert.deepEqual(reserve("10.5.2.0/24"), { kind: "reserved-already", lease: RESERVED });
    assert.deepEqual(reserve("10.5.2.0/24", "10.0.0.2"), { kind: "reserved-already", lease: RESERVED });
  });

  it("needs to be told whose a free subnet shall be", () => {
    assert.deepEqual(reserve("10.5.9.0/24"), { kind: "needs-public-ip" });
  });

  it("makes a record of the config's backend for a free subnet; one of udp has no type", () => {
    const attrs = {
      publicIp: "10.0.0.9",
      publicIpv6: null,
      backendData: null,
      backendV6Data: null,
      nodeId: null,
      challenger: null,
    };
    assert.deepEqual(reserve("10.5.9.0/24", "10.0.0.9"), { kind: "create", attrs: { ...attrs, backendType: "vxlan" } });
    assert.deepEqual(reserve("10.5.9.0/24", "10.0.0.9", "udp"), {
      kind: "create",
      attrs: { ...attrs, backendType: "" },
    });
  });

  const refused: readonly (readonly [string, string | null, RegExp])[] = [
    ["10.6.1.0/24", "10.0.0.9", /not inside the network 10\.5\.0\.0\/16/],
    ["10.5.0.0/24", "10.0.0.9", /outside the range from 10\.5\.1\.0 to 10\.5\.255\.0/],
    ["10.5.9.0/25", "10.0.0.9", /subnets of this network are \/24/],
    ["10.5.0.0/16", "10.0.0.9", /subnets of this network are \/24/],
    ["0.0.0.0/0", "10.0.0.9", /not inside the network/],
    ["10.5.5.0/24", "10.0.0.9", /overlaps 10\.5\.4\.0\/23, which the host 10\.0\.0\.4 has/],
    ["10.5.8.0/24", "10.0.0.9", /overlaps the record 10\.5\.8\.0-24, which is no lease/],
    ["10.5.1.0/24", "10.0.0.9", /leased by the host 10\.0\.0\.1/],
    ["10.5.2.0/24", "10.0.0.9", /reserved for the host 10\.0\.0\.2/],
    ["10.5.9.0/24", "10.0.0.1", /the host 10\.0\.0\.1 has 10\.5\.1\.0\/24 already/],
  ];
  for (const [subnet, publicIp, reason] of refused) {
    it(`refuses ${subnet} for ${publicIp}`, () => {
      const decision = reserve(subnet, publicIp);
      assert.match(decision.kind === "refused" ? decision.reason : decision.kind, reason);
    });
  }
});

describe("releasing", () => {
  it("makes a lease of a reservation again, or deletes it now", () => {
    assert.deepEqual(release("10.5.2.0/24"), { kind: "lease", lease: RESERVED });
    assert.deepEqual(release("10.5.2.0/24", { force: true }), { kind: "lease", lease: RESERVED });
    assert.deepEqual(release("10.5.2.0/24", { now: true }), { kind: "delete", lease: RESERVED });
  });

  it("deletes an ordinary lease only by force", () => {
    const decision = release("10.5.1.0/24", { now: true });
    assert.match(decision.kind === "refused" ? decision.reason : "", /not reserved but leased by the host 10\.0\.0\.1/);
    for (const now of [false, true]) {
      assert.deepEqual(release("10.5.1.0/24", { now, force: true }), { kind: "delete", lease: LEASED });
    }
  });

  it("has nothing to do where there is an ordinary lease or no record", () => {
    assert.deepEqual(release("10.5.1.0/24"), { kind: "released-already", lease: LEASED });
    for (const subnet of ["10.5.9.0/24", "10.5.5.0/24"]) {
      for (const [now, force] of [
        [false, false],
        [true, false],
        [true, true],
      ] as const) {
        assert.deepEqual(release(subnet, { now, force }), { kind: "absent" });
      }
    }
    assert.deepEqual(releaseKey("bar"), { kind: "absent" });
  });

  it("refuses what is no lease, and a lease by its key", () => {
    const bad = release("10.5.8.0/24", { force: true });
    assert.match(
      bad.kind === "refused" ? `${bad.reason}; ${bad.hint}` : "",
      /is no lease .*; --now --force deletes it/,
    );
    const named = releaseKey("10.5.1.0-24");
    assert.equal(named.kind === "refused" && named.hint, "name it by its subnet 10.5.1.0/24");
  });

  it("deletes what is no lease only now and by force, by its subnet or its key", () => {
    const all = { now: true, force: true };
    assert.deepEqual(release("10.5.8.0/24", all), { kind: "delete-bad", key: "10.5.8.0-24" });
    for (const key of ["10.5.8.0-24", "foo", LONG]) assert.deepEqual(releaseKey(key), { kind: "delete-bad", key });
    for (const half of [
      { ...all, now: false },
      { ...all, force: false },
    ]) {
      assert.equal(release("10.5.8.0/24", half).kind, "refused");
      assert.equal(releaseKey("foo", half).kind, "refused");
    }
  });
});
