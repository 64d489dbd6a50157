import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Backend } from "../../src/backends/backend.ts";
import { createHostGw } from "../../src/backends/host-gw.ts";
import { createVxlan } from "../../src/backends/vxlan.ts";
import { minutes, seconds } from "../../src/base/brand.ts";
import { parseIpv4 } from "../../src/base/ip.ts";
import { createPlanner } from "../../src/planner.ts";
import type { Lease, Revision } from "../../src/subnet/lease.ts";
import type { BadRecord } from "../../src/subnet/lease-store.ts";
import { EMPTY_TABLE, foldTable, type LeaseTable } from "../../src/subnet/lease-table.ts";
import { type CapturedLog, createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock, type FakeClock } from "../fakes/fake-clock.ts";
import { leaseOf, networkOf } from "../support/leases.ts";
import { MARK, underlayAt } from "../support/vxlan-host.ts";

const SELF = leaseOf({ subnet: "10.5.52.0/24", publicIp: "192.168.64.2", mac: "02:00:00:00:00:52" });
const NETWORK = networkOf({ Network: "10.5.0.0/16" });
const UNDERLAY = underlayAt("192.168.64.2");
const PEER = leaseOf({ subnet: "10.5.20.0/24", publicIp: "192.168.64.4", mac: "02:00:00:00:00:20" });

function tableOf(leases: readonly Lease[], bad: readonly BadRecord[] = []): LeaseTable {
  return foldTable(EMPTY_TABLE, { kind: "reset", list: { revision: "9" as Revision, leases, bad } });
}

function plannerOf(
  table: () => LeaseTable,
  log: CapturedLog = createCapturedLog(),
  backend: Backend = createVxlan({}),
  isHeld: () => boolean = () => true,
  clock: FakeClock = createFakeClock(),
) {
  return createPlanner({
    overlay: () => ({ backend, network: NETWORK }),
    underlay: () => UNDERLAY,
    formerUnderlays: () => [],
    mark: MARK,
    device: null,
    flannelDevices: [],
    onView: () => {},
    table,
    self: () => SELF,
    isHeld,
    clock,
    measuredOffload: () => null,
    log,
  });
}

describe("the planner", () => {
  it("gives the same plan object while no lease has changed", () => {
    let table = tableOf([SELF, PEER]);
    const planner = plannerOf(() => table);
    const plan = planner.plan();
    table = foldTable(table, { kind: "reset", list: { revision: "10" as Revision, leases: [SELF, PEER], bad: [] } });
    assert.equal(planner.plan(), plan);
    table = tableOf([SELF]);
    assert.notEqual(planner.plan(), plan);
  });

  it("gives a host whose subnet another has no way to any peer, and takes the ways that it had", () => {
    let held = true;
    const planner = plannerOf(
      () => tableOf([SELF, PEER]),
      undefined,
      undefined,
      () => held,
    );
    const routes = () => planner.plan().want.filter(({ kind }) => kind === "route").length;
    assert.equal(routes(), 1);
    held = false;
    assert.equal(routes(), 0);
    assert.equal(planner.plan().complete, true);
    held = true;
    assert.equal(routes(), 1);
  });

  it("reaches a host as before whose record lost what the backend needs, until another has its subnet", () => {
    const log = createCapturedLog();
    const crippled = leaseOf({ subnet: "10.5.20.0/24", publicIp: "192.168.64.4", backendData: null, revision: 10 });
    const other = leaseOf({ subnet: "10.5.20.0/24", publicIp: "192.168.64.9", backendData: null, revision: 11 });
    let table = tableOf([SELF, PEER]);
    const planner = plannerOf(() => table, log);
    const { want } = planner.plan();
    for (const round of [1, 2]) {
      table = tableOf([SELF, { ...crippled }]);
      assert.deepEqual(planner.plan().want, want, `round ${round}`);
    }
    assert.deepEqual(log.messages("warn"), ["a peer cannot be reached with this backend"]);
    table = tableOf([SELF, other]);
    assert.ok(!planner.plan().want.some(({ kind }) => kind === "route"));
    table = tableOf([SELF, crippled]);
    assert.ok(!planner.plan().want.some(({ kind }) => kind === "route"), "what was given up is not known any more");
  });

  it("leaves out records that are no leases, lie outside the network or have no usable MAC, and plans the others", () => {
    const outside = leaseOf({ subnet: "10.6.1.0/24", publicIp: "192.168.64.6" });
    const dumb = leaseOf({ subnet: "10.5.7.0/24", publicIp: "192.168.64.7", backendData: { VNI: 1 } });
    const bad = { key: "foo", reason: "is not a subnet" };
    const planner = plannerOf(() => tableOf([SELF, PEER, outside, dumb], [bad]));
    const routes = planner.plan().want.flatMap((object) => (object.kind === "route" ? [object.dst] : []));
    assert.deepEqual(routes, ["10.5.20.0/24"]);
    assert.deepEqual(
      planner
        .leftOut()
        .map(({ key }) => key)
        .toSorted(),
      ["10.5.7.0-24", "10.6.1.0-24", "foo"],
    );
  });

  it("tells a hundred of a flood of records that are left out, then one in five minutes, and the end of what it told", async () => {
    const [log, clock] = [createCapturedLog(), createFakeClock()];
    const junk = Array.from({ length: 2000 }, (_, n): BadRecord => ({ key: `junk${n}`, reason: "it is junk" }));
    let table = tableOf([SELF], junk);
    const planner = plannerOf(() => table, log, undefined, undefined, clock);
    const look = (next: LeaseTable) => {
      table = next;
      planner.plan();
    };
    look(table);
    assert.equal(planner.leftOut().length, 2000);
    assert.equal(log.messages("warn").length, 100);
    assert.equal(log.lines[99]?.fields.count, 2000);
    await clock.advance(minutes(10));
    look(tableOf([SELF, PEER], junk));
    assert.equal(log.messages("warn").length, 102);
    look(tableOf([SELF, PEER]));
    assert.equal(log.messages("info").length, 102);
  });

  it("tells of a record that comes and goes all the time in a hundred lines, then in one in five minutes", async () => {
    const [log, clock] = [createCapturedLog(), createFakeClock()];
    let table = tableOf([SELF]);
    const planner = plannerOf(() => table, log, undefined, undefined, clock);
    for (let n = 0; n < 600; n++) {
      table = tableOf([SELF], n % 2 === 0 ? [{ key: "foo", reason: "it is junk" }] : []);
      planner.plan();
      await clock.advance(seconds(1));
    }
    assert.deepEqual([log.messages("warn").length, log.messages("info").length], [101, 101]);
  });

  it("tells of a record that is left out once, and once when it is not any more", () => {
    const log = createCapturedLog();
    const outside = leaseOf({ subnet: "10.6.1.0/24", publicIp: "192.168.64.6" });
    let table = tableOf([SELF, outside]);
    const planner = plannerOf(() => table, log);
    planner.plan();
    table = tableOf([SELF, outside, PEER]);
    planner.plan();
    table = tableOf([SELF, PEER]);
    planner.plan();
    const told = log.lines.map(({ message, fields }) => [message, fields.key]);
    assert.deepEqual(told, [
      ["a record in etcd is left out", "10.6.1.0-24"],
      ["a record in etcd is no longer left out", "10.6.1.0-24"],
    ]);
  });

  it("tells of a peer that the backend cannot reach by its address, once, and once when that is over", () => {
    const log = createCapturedLog();
    const far = leaseOf({ subnet: "10.5.7.0/24", publicIp: "172.30.0.7", backendType: "host-gw", backendData: null });
    const near = { ...far, attrs: { ...far.attrs, publicIp: parseIpv4("192.168.64.7") } };
    let table = tableOf([SELF, far]);
    const planner = plannerOf(() => table, log, createHostGw({}));
    assert.deepEqual(planner.plan().want, []);
    assert.deepEqual(
      planner.leftOut().map(({ key }) => key),
      ["10.5.7.0-24"],
    );
    for (const leases of [
      [SELF, far, leaseOf({ subnet: "10.6.1.0/24", publicIp: "192.168.64.6", backendType: "host-gw" })],
      [SELF, near],
    ]) {
      table = tableOf(leases);
      planner.plan();
    }
    assert.equal(planner.plan().want.length, 1);
    const told = log.lines.filter(({ fields }) => fields.key === "10.5.7.0-24");
    assert.deepEqual(
      told.map(({ message, fields }) => [message, fields.peer]),
      [
        ["a peer cannot be reached with this backend", "172.30.0.7"],
        ["a peer is no longer out of reach", undefined],
      ],
    );
  });

  it("says nothing of a reservation that no host has taken yet, and what there is to say once one has", () => {
    const log = createCapturedLog();
    const term = { kind: "reserved" } as const;
    const sketch = { subnet: "10.5.7.0/24", publicIp: "192.168.64.7" };
    const reserved = { ...leaseOf({ ...sketch, backendData: null }), term };
    const taken = { ...leaseOf({ ...sketch, mac: "02:00:00:00:00:07" }), term };
    let table = tableOf([SELF, PEER, reserved]);
    const planner = plannerOf(() => table, log);
    const routes = () => planner.plan().want.filter(({ kind }) => kind === "route").length;
    assert.deepEqual([routes(), planner.leftOut()], [1, []]);
    table = tableOf([SELF, PEER, taken]);
    assert.equal(routes(), 2);
    assert.deepEqual(log.lines, []);
    table = tableOf([SELF, PEER, reserved]);
    assert.equal(routes(), 2);
    assert.deepEqual(log.messages("warn"), ["a peer cannot be reached with this backend"]);
  });

  it("does not tell of a record that was deleted that its host is within reach", () => {
    const log = createCapturedLog();
    const far = leaseOf({ subnet: "10.5.7.0/24", publicIp: "172.30.0.7", backendType: "host-gw", backendData: null });
    let table = tableOf([SELF, far]);
    const planner = plannerOf(() => table, log, createHostGw({}));
    planner.plan();
    table = tableOf([SELF]);
    planner.plan();
    assert.deepEqual(
      log.lines.map(({ message }) => message),
      ["a peer cannot be reached with this backend"],
    );
  });
});
