import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type EpochMillis, millis, minutes } from "../../../src/base/brand.ts";
import type { DatapathCounters } from "../../../src/base/datapath.ts";
import { datapathSection, leaseSection, storeSection, subnetsSection } from "../../../src/status/sections.ts";
import type { LeaseList } from "../../../src/subnet/lease-store.ts";
import { EMPTY_TABLE, foldTable } from "../../../src/subnet/lease-table.ts";
import {
  DUAL_NETWORK,
  type DualSketch,
  dualLease,
  hostNumber,
  IPV6_NETWORK,
  ipv4Only,
  ipv6Only,
} from "../../support/dual-stack.ts";
import { leaseOf, networkOf } from "../../support/leases.ts";
import { NO_CALLS } from "../../support/snapshots.ts";

const NOW = Date.UTC(2026, 2, 1, 13) as EpochMillis;
const HEALTHY = { trouble: null, certificates: [], refusedFiles: null };
const COUNTS = { losses: 0, restarts: 0, resyncs: { history: 0, census: 0 } };

describe("the section of the store", () => {
  const answered = { ...NO_CALLS, lastAnswer: NOW };
  const isConnected = (
    trouble: string | null,
    calls: Parameters<typeof storeSection>[2],
    followed: string | null | undefined,
  ) => {
    const follow = followed === undefined ? null : { trouble: followed, counts: COUNTS, revision: "7" };
    return storeSection(["http://a:1"], { ...HEALTHY, trouble }, calls, follow).connected;
  };

  it("says whether the store answers: not before it was asked, and not while the watch is lost", () => {
    assert.equal(isConnected(null, NO_CALLS, undefined), null);
    assert.equal(isConnected(null, answered, undefined), true);
    assert.equal(isConnected("refused", answered, undefined), false);
    assert.equal(isConnected(null, answered, null), true);
    assert.equal(isConnected(null, answered, "it has not answered since the start"), false);
  });

  it("has the last failure also when it is over, and the ends of certificates as moments", () => {
    const calls = { ...answered, lastFailure: { at: NOW, reason: "no answer" } };
    const certificate = { whose: "server" as const, name: "the certificate of a" };
    const certificates = [{ ...certificate, begins: NOW, expires: NOW }];
    const { lastError, certificates: told } = storeSection([], { ...HEALTHY, certificates }, calls, null);
    assert.deepEqual(lastError, { at: "2026-03-01T13:00:00.000Z", reason: "no answer" });
    assert.deepEqual(told, [{ ...certificate, expires: "2026-03-01T13:00:00.000Z" }]);
  });
});

describe("the section of the lease", () => {
  const account = { renewedAt: NOW, renewed: 1, failed: 2, lost: 3, conflicts: 4 };
  const lease = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.2" });
  const held = { lease, isHeld: true, remaining: minutes(90), trouble: null, account };

  it("ends when the clock that nobody sets says", () => {
    const { expires, remainingSeconds, renewed, counts, kind } = leaseSection(held, NOW);
    assert.deepEqual([expires, remainingSeconds, kind], ["2026-03-01T14:30:00.000Z", 5400, "leased"]);
    assert.equal(renewed, "2026-03-01T13:00:00.000Z");
    assert.deepEqual(counts, { renewed: 1, failed: 2, lost: 3, conflicts: 4 });
    assert.equal(leaseSection({ ...held, remaining: millis(-1000) }, NOW).remainingSeconds, -1);
  });

  it("has no end when it is reserved", () => {
    const reserved = { ...held, lease: { ...lease, term: { kind: "reserved" as const } }, remaining: null };
    const { expires, remainingSeconds, kind } = leaseSection(reserved, NOW);
    assert.deepEqual([expires, remainingSeconds, kind], [null, null, "reserved"]);
  });
});

describe("the section of the subnets", () => {
  it("counts those that are taken, whoever has them", () => {
    const network = networkOf({ Network: "10.5.0.0/16", SubnetMin: "10.5.1.0", SubnetMax: "10.5.10.0" });
    const leases = [leaseOf({ subnet: "10.5.2.0/24", publicIp: "192.168.64.2" })];
    const list: LeaseList = { revision: "1" as never, leases, bad: [{ key: "x", reason: "it is no lease" }] };
    const table = foldTable(EMPTY_TABLE, { kind: "reset", list });
    assert.deepEqual(subnetsSection(network, table), { total: 10, allocated: 1, free: 9 });
  });

  const tableOf = (...hosts: readonly DualSketch[]) => {
    const list: LeaseList = { revision: "1" as never, leases: hosts.map(dualLease), bad: [] };
    return foldTable(EMPTY_TABLE, { kind: "reset", list });
  };

  it("counts those of IPv6 in a network without IPv4, as many as daemons choose from", () => {
    const table = tableOf(ipv6Only(hostNumber(1)), ipv6Only(hostNumber(2)));
    assert.deepEqual(subnetsSection(IPV6_NETWORK, table), { total: 65535, allocated: 2, free: 65533 });
    const wide = networkOf({ EnableIPv4: false, EnableIPv6: true, IPv6Network: "fd00::/16" });
    const first = tableOf(ipv6Only(hostNumber(1, { v6: "fd00:0:0:7::/64" })));
    assert.deepEqual(subnetsSection(wide, first), { total: 2 ** 32, allocated: 1, free: 2 ** 32 - 1 });
  });

  it("counts the two of a dual-stack host as one, and by the family that has fewer", () => {
    const table = tableOf(hostNumber(1), ipv4Only(hostNumber(2)));
    assert.deepEqual(subnetsSection(DUAL_NETWORK, table), { total: 255, allocated: 2, free: 253 });
    const { ipv6 } = networkOf({ Network: "10.5.0.0/16", EnableIPv6: true, IPv6Network: "fd00:5::/60" });
    assert.deepEqual(subnetsSection({ ...DUAL_NETWORK, ipv6 }, table), { total: 15, allocated: 1, free: 14 });
  });
});

describe("the section of the data path", () => {
  it("names what is on and what is off", () => {
    const counters = { sentPackets: 3 } as DatapathCounters;
    const features = new Set(["TSO", "UDPGRO"] as const);
    const { features: told, ...rest } = datapathSection({ attached: null, features, bufferSize: 7, counters });
    assert.deepEqual(told.on, ["TSO", "UDPGRO"]);
    assert.equal(told.off.length, 6);
    assert.deepEqual(rest, { attached: null, bufferBytes: 7, counters: { sentPackets: 3 } });
  });
});
