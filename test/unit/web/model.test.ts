import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EpochMillis } from "../../../src/base/brand.ts";
import { parsePrefix4 } from "../../../src/base/ip.ts";
import { parseIpv6, parsePrefix6 } from "../../../src/base/ipv6.ts";
import type { StatusEvent } from "../../../src/status/events.ts";
import { NO_SUBNET4 } from "../../../src/subnet/lease.ts";
import type { Facts, HostAnswer } from "../../../src/web/facts.ts";
import { buildOverlay, fingerprint } from "../../../src/web/model.ts";
import type { HostState } from "../../../src/web/overlay.ts";
import { MOST_ROWS } from "../../../src/web/reach.ts";
import { answerOf, factsOf, HOSTS, lookedLease, lookOf, NOW, statusOf } from "../../support/overlay-facts.ts";
import { peerStatusOf, snapshotOf } from "../../support/snapshots.ts";

const [[FIRST, FIRST_IP], [SECOND, SECOND_IP], [THIRD]] = HOSTS;

function withAnswer(publicIp: string, answer: HostAnswer | null): Facts {
  const answers = new Map(factsOf().answers);
  if (answer) answers.set(publicIp, answer);
  else answers.delete(publicIp);
  return factsOf({ answers });
}

function hostIn(facts: Facts, subnet: string): HostState {
  const host = buildOverlay(facts).hosts.find((one) => one.subnet === subnet);
  assert.ok(host);
  return host;
}

function event(seq: number, at: string, level: StatusEvent["level"] = "info"): StatusEvent {
  return { seq, at, level, kind: "a peer has joined", fields: { subnet: FIRST, count: 2 } };
}

describe("buildOverlay()", () => {
  it("says of a well network that it is well", () => {
    const overlay = buildOverlay(factsOf());
    assert.deepEqual(
      overlay.hosts.map(({ subnet, condition, reasons }) => [subnet, condition, reasons]),
      HOSTS.map(([subnet]) => [subnet, "ready", []]),
    );
    assert.deepEqual(overlay.counts, {
      ...{ leased: 3, reserved: 0, free: 252, total: 255 },
      ...{ ready: 3, degraded: 0, notReady: 0, unknown: 0 },
    });
    assert.equal(overlay.reach.troubleCount, 0);
    assert.deepEqual(overlay.reach.rows?.[0]?.states, ["self", "programmed", "programmed"]);
    assert.deepEqual(overlay.store, {
      ...{ prefix: "/coreos.com/network", trouble: null, asOf: null, configProblem: null },
    });
  });

  it("has no secret settings", () => {
    assert.doesNotMatch(JSON.stringify(buildOverlay(factsOf())), /options|endpoints/);
  });

  it("takes a host that does not answer for unknown, keeps what it said, and counts none of its pairs as trouble", () => {
    const silent = answerOf(SECOND, { trouble: "no answer within 2 s from port 8081" });
    const overlay = buildOverlay(withAnswer(SECOND_IP, silent));
    const host = overlay.hosts[1];
    assert.equal(host?.condition, "unknown");
    assert.deepEqual(host?.reasons, ["no answer within 2 s from port 8081"]);
    assert.equal(host?.heard, new Date(NOW).toISOString());
    assert.equal(host?.daemon?.version, "dev");
    assert.deepEqual(overlay.reach.rows?.[1]?.states, ["unknown", "self", "unknown"]);
    assert.equal(overlay.reach.troubleCount, 0);
    assert.equal(overlay.counts.unknown, 1);
  });

  it("shows a host that was not asked yet", () => {
    const host = hostIn(withAnswer(FIRST_IP, null), FIRST);
    assert.deepEqual([host.condition, host.reasons, host.daemon], ["unknown", ["it was not asked yet"], null]);
  });

  it("does not take the daemon of a host that has another subnet by now for that of its old lease", () => {
    const look = lookOf({ leases: [lookedLease(FIRST, FIRST_IP), lookedLease("10.5.200.0/24", FIRST_IP)] });
    const { hosts, reach } = buildOverlay(factsOf({ look }));
    assert.deepEqual(
      hosts.map(({ condition, reasons, daemon }) => [condition, reasons, daemon === null]),
      [
        ["ready", [], false],
        ["unknown", [`the flanneld that answers there has another subnet, ${FIRST}`], true],
      ],
    );
    assert.deepEqual(reach.rows?.[1]?.states, ["unknown", "self"]);
  });

  it("asks a host without IPv4 at its IPv6 address, and never itself", () => {
    const one = lookedLease(FIRST, "0.0.0.0");
    const attrs = { ...one.lease.attrs, publicIpv6: parseIpv6("fd00::7") };
    const look = lookOf({ leases: [{ ...one, lease: { ...one.lease, attrs } }] });
    const { hosts } = buildOverlay(factsOf({ look, answers: new Map([["fd00::7", answerOf(FIRST)]]) }));
    assert.deepEqual([hosts[0]?.publicIp, hosts[0]?.condition], ["fd00::7", "ready"]);
  });

  it("knows hosts by their IPv6 subnet where they have no IPv4, and maps that", () => {
    const one = lookedLease(FIRST, "0.0.0.0");
    const v6 = parsePrefix6("fd00:0:0:7::/64");
    const subnet = { v4: NO_SUBNET4, v6 };
    const attrs = { ...one.lease.attrs, publicIpv6: parseIpv6("fd00::7") };
    const config = { EnableIPv4: false, EnableIPv6: true, IPv6Network: "fd00::/48" };
    const look = lookOf({ leases: [{ ...one, lease: { ...one.lease, subnet, attrs } }] }, config);
    const status = snapshotOf().lease;
    assert.ok(status);
    const lease = { ...status, subnet: null, subnet6: v6 };
    const answers = new Map([["fd00::7", answerOf(FIRST, { status: statusOf(FIRST, { lease, peers: [] }) })]]);
    const { hosts, maps, network, reach } = buildOverlay(factsOf({ look, answers }));
    assert.deepEqual([hosts[0]?.subnet, hosts[0]?.subnet4, hosts[0]?.condition], [v6, null, "ready"]);
    assert.notEqual(hosts[0]?.expires, null);
    assert.deepEqual(
      network?.families.map((family) => family.network),
      ["fd00::/48"],
    );
    const [map, second] = maps;
    assert.equal(second, undefined);
    assert.deepEqual([map?.bits, map?.total, map?.group, map?.taken[0]?.subnets], [128, 65_535, 64, [v6]]);
    assert.deepEqual(reach.rows?.[0]?.states, ["self"]);
  });

  it("says why a host is degraded or not ready", () => {
    const status = statusOf(FIRST, {
      state: "not ready",
      checks: [{ name: "device", reason: "not there" }],
      degraded: [{ name: "etcd", reason: "away", remedy: null, command: null }],
    });
    const host = hostIn(withAnswer(FIRST_IP, answerOf(FIRST, { status })), FIRST);
    assert.deepEqual([host.condition, host.reasons], ["not ready", ["device: not there", "etcd: away"]]);
  });

  it("takes the end of a lease from its host, and from etcd where the host is silent", () => {
    assert.equal(hostIn(factsOf(), FIRST).expires, "2026-03-02T12:00:04.000Z");
    const term = { kind: "until", at: (NOW + 60_000) as EpochMillis } as const;
    const look = lookOf({ leases: [lookedLease(FIRST, FIRST_IP, { term })] });
    const answers = new Map([[FIRST_IP, answerOf(FIRST, { trouble: "silent" })]]);
    const overlay = buildOverlay(factsOf({ look, answers }));
    assert.equal(overlay.hosts[0]?.expires, new Date(NOW + 60_000).toISOString());
    assert.equal(overlay.maps[0]?.taken[0]?.kind, "expiring");
  });

  it("shows what is reserved, what is spoilt and what has no place", () => {
    const leases = [
      lookedLease(FIRST, FIRST_IP, { term: { kind: "reserved" } }),
      lookedLease("10.9.0.0/24", "192.168.64.9", { problem: "it is not inside the network 10.5.0.0/16" }),
    ];
    const bad = [{ key: "10.5.200.0-24", reason: "no JSON" }];
    const overlay = buildOverlay(
      factsOf({ look: lookOf({ leases, bad, spoilt: [{ v4: parsePrefix4("10.5.200.0/24"), v6: null }] }) }),
    );
    assert.deepEqual(
      overlay.maps[0]?.taken.map(({ index, kind }) => [index, kind]),
      [
        [6, "reserved"],
        [199, "bad"],
      ],
    );
    assert.deepEqual(overlay.outside, ["10.9.0.0/24"]);
    assert.deepEqual(overlay.bad, bad);
    assert.deepEqual([overlay.counts.leased, overlay.counts.reserved], [1, 1]);
  });

  it("goes on to show what was known when etcd no longer answers, and since when", () => {
    const { store, hosts } = buildOverlay(factsOf({ storeTrouble: "etcd did not answer" }));
    assert.deepEqual([store.trouble, store.asOf], ["etcd did not answer", new Date(NOW).toISOString()]);
    assert.equal(hosts.length, 3);
  });

  it("has nothing to show before the first look, and no map without a config", () => {
    const empty = buildOverlay(factsOf({ look: null, answers: new Map(), storeTrouble: "etcd did not answer" }));
    assert.deepEqual([empty.hosts, empty.maps, empty.network, empty.store.asOf], [[], [], null, null]);
    const look = lookOf({ network: null, configProblem: "there is no network config", free: null, total: null });
    const overlay = buildOverlay(factsOf({ look }));
    assert.deepEqual([overlay.maps, overlay.store.configProblem], [[], "there is no network config"]);
    assert.equal(overlay.hosts.length, 3);
  });

  it("puts what is worst first among the pairs, and finds peers that a host does not know", () => {
    const peers = [
      peerStatusOf(FIRST, FIRST_IP, { state: "held", reason: "its record is gone" }),
      peerStatusOf(THIRD, "192.168.64.2", { state: "missing", reason: "route 10.5.52.0/24 is not in the kernel" }),
    ];
    const answers = new Map(factsOf().answers);
    answers.set(SECOND_IP, answerOf(SECOND, { status: statusOf(SECOND, { peers }) }));
    answers.set(FIRST_IP, answerOf(FIRST, { status: statusOf(FIRST, { peers: [] }) }));
    const { reach } = buildOverlay(factsOf({ answers }));
    assert.deepEqual(
      reach.troubles.map(({ from, to, state }) => [from, to, state]),
      [
        [SECOND, THIRD, "missing"],
        [FIRST, SECOND, "absent"],
        [FIRST, THIRD, "absent"],
        [SECOND, FIRST, "held"],
      ],
    );
    assert.equal(reach.troubleCount, 4);
  });

  it("awaits the host of a reservation, and takes neither it nor its pairs for trouble", () => {
    const { lease } = lookedLease("10.5.77.0/24", "192.168.64.77");
    const term = { kind: "reserved" } as const;
    const attrs = { ...lease.attrs, backendData: null };
    const look = lookOf({ leases: [...lookOf().leases, { lease: { ...lease, attrs, term }, term, problem: null }] });
    const silent = answerOf(FIRST, { status: null, heard: null, trouble: "no answer within 2 s from port 8081" });
    for (const answer of [[], [["192.168.64.77", silent] as const]]) {
      const { hosts, reach, counts } = buildOverlay(
        factsOf({ look, answers: new Map([...factsOf().answers, ...answer]) }),
      );
      assert.deepEqual([hosts[3]?.condition, hosts[3]?.reasons], ["awaited", ["its host has not come yet"]]);
      assert.deepEqual([reach.troubleCount, counts.unknown, counts.reserved], [0, 0, 1]);
      assert.deepEqual(reach.rows?.[0]?.states, ["self", "programmed", "programmed", "awaited"]);
      assert.deepEqual(reach.rows?.[3]?.states, ["awaited", "awaited", "awaited", "self"]);
    }
    const come = new Map([...factsOf().answers, ["192.168.64.77", answerOf("10.5.77.0/24")] as const]);
    const { hosts, reach } = buildOverlay(factsOf({ look, answers: come }));
    assert.deepEqual([hosts[3]?.condition, reach.troubleCount], ["ready", 3]);
  });

  it("tells round trips where somebody measures them", () => {
    const peers = [peerStatusOf(SECOND, SECOND_IP, { rttSeconds: 0.0004 })];
    const { reach } = buildOverlay(withAnswer(FIRST_IP, answerOf(FIRST, { status: statusOf(FIRST, { peers }) })));
    assert.deepEqual(reach.rows?.[0]?.rttSeconds, [null, 0.0004, null]);
    assert.equal(reach.rows?.[1]?.rttSeconds, null);
    assert.equal(reach.rows?.[0]?.traffic, null);
  });

  it("has what each host has counted of each other, and nothing in its place that is no number", () => {
    const traffic = { receivedBytes: 10, receivedPackets: 1, sentBytes: 20, sentPackets: 1 };
    const odd = { ...traffic, sentBytes: "<b>" as unknown as number };
    const rowWith = (counted: typeof traffic) => {
      const peers = [peerStatusOf(SECOND, SECOND_IP, { traffic: counted })];
      const { reach } = buildOverlay(withAnswer(FIRST_IP, answerOf(FIRST, { status: statusOf(FIRST, { peers }) })));
      return reach.rows?.[0]?.traffic;
    };
    assert.deepEqual(rowWith(traffic), [null, [10, 20], null]);
    assert.equal(rowWith(odd), null);
  });

  it("merges the events of all hosts, newest first, and lets no flood of one level push out the others", () => {
    const flood = Array.from({ length: 150 }, (_, index) =>
      event(index + 2, `2026-03-01T13:00:${String(index % 60).padStart(2, "0")}.000Z`),
    );
    const answers = new Map(factsOf().answers);
    answers.set(FIRST_IP, answerOf(FIRST, { events: [event(1, "2026-03-01T12:00:00.000Z", "error"), ...flood] }));
    answers.set(SECOND_IP, answerOf(SECOND, { events: [event(1, "2026-03-01T13:02:00.000Z", "warn")] }));
    const { events } = buildOverlay(factsOf({ answers }));
    assert.equal(events.length, 102);
    assert.deepEqual([events[0]?.host, events[0]?.level], [SECOND_IP, "warn"]);
    assert.equal(events.at(-1)?.level, "error");
    assert.equal(events[0]?.detail, `subnet=${FIRST} count=2`);
    assert.deepEqual(
      events
        .map(({ at }) => at)
        .toSorted()
        .reverse(),
      events.map(({ at }) => at),
    );
  });

  it("is the same while nothing changes, although time passes", () => {
    const before = buildOverlay(factsOf());
    const later = (NOW + 3000) as EpochMillis;
    const after = buildOverlay(factsOf({ now: later, look: lookOf({ at: later }) }));
    assert.notEqual(before.at, after.at);
    assert.equal(fingerprint(before), fingerprint(after));
  });

  it("stays small with a thousand hosts, and takes no longer than a blink", () => {
    const many = Array.from({ length: 1000 }, (_, n) => [
      `10.${5 + (n >> 8)}.${n & 255}.0/24`,
      `172.16.${n >> 8}.${n & 255}`,
    ]);
    const look = lookOf(
      { leases: many.map(([subnet = "", ip = ""]) => lookedLease(subnet, ip)) },
      { Network: "10.0.0.0/8" },
    );
    const missing = many.slice(0, 300).map(([subnet = "", ip = ""]) => peerStatusOf(subnet, ip, { state: "missing" }));
    const answers = new Map(
      many.map(([subnet = "", ip = ""]) => [ip, answerOf(subnet, { status: statusOf(subnet, { peers: missing }) })]),
    );
    const overlay = buildOverlay(factsOf({ look, answers }));
    assert.ok(many.length > MOST_ROWS);
    assert.equal(overlay.reach.rows, null);
    assert.deepEqual([overlay.reach.troubles.length, overlay.reach.troubleCount], [200, 300_000]);
    assert.ok(JSON.stringify(overlay).length < 1_000_000, `${JSON.stringify(overlay).length} bytes`);
  });
});
