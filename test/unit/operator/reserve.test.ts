import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { minutes } from "../../../src/base/brand.ts";
import { type OperatorDesk, openDesk, overtake } from "../../support/operator.ts";

const CONFIG = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';
const LEASE =
  '{"PublicIP":"10.0.0.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:01"}}';
const KEY = "10.5.1.0-24";
let desk: OperatorDesk;

beforeEach(() => {
  desk = openDesk();
});

/** Records with their etcd leases. */
function world(): unknown {
  return [[...desk.store.records()], desk.store.leaseCount()];
}

describe("reserve and release", () => {
  beforeEach(() => {
    desk.store.writeConfig(CONFIG);
    desk.store.write({ [KEY]: LEASE }, minutes(10));
  });

  it("keep a lease for good, and let it end again, with its value untouched", async () => {
    const kept = await desk.run("reserve", "10.5.1.0/24");
    assert.match(kept.out, /^reserved 10\.5\.1\.0\/24 for the host 10\.0\.0\.1/);
    await desk.clock.advance(minutes(60));
    assert.equal(desk.store.records().get(KEY), LEASE);
    assert.match((await desk.run("reserve", "10.5.1.0/24")).out, /already; nothing was changed/);
    const released = JSON.parse((await desk.run("release", "10.5.1.0/24", "--json")).out);
    assert.deepEqual([released.kind, released.changed], ["leased", true]);
    await desk.clock.advance(minutes(23 * 60));
    assert.equal(desk.store.records().get(KEY), LEASE);
    await desk.clock.advance(minutes(61));
    await desk.run("leases");
    assert.equal(desk.store.records().get(KEY), undefined);
  });

  it("keep a free subnet for a host that has not started yet, and delete the record", async () => {
    const { status, out } = await desk.run("reserve", "10.5.7.0/24", "--public-ip=10.0.0.7", "--json");
    assert.equal(status, 0);
    assert.deepEqual(JSON.parse(out), {
      key: "10.5.7.0-24",
      subnet: "10.5.7.0/24",
      publicIp: "10.0.0.7",
      backend: "vxlan",
      kind: "reserved",
      expires: null,
      changed: true,
    });
    assert.equal(
      desk.store.records().get("10.5.7.0-24"),
      '{"PublicIP":"10.0.0.7","PublicIPv6":null,"BackendType":"vxlan"}',
    );
    assert.equal((await desk.run("release", "10.5.7.0/24", "--now")).status, 0);
    assert.equal(desk.store.records().has("10.5.7.0-24"), false);
  });

  const refused: readonly (readonly [number, string, RegExp])[] = [
    [64, "reserve 10.5.7.0/24", /is free: say for which host .*--public-ip=ADDRESS/],
    [64, "reserve 10.5.7.9/24 --public-ip=10.0.0.7", /has a host part: did you mean 10\.5\.7\.0\/24\?/],
    [64, "reserve 10.5.7.0 --public-ip=10.0.0.7", /"10\.5\.7\.0" is not a subnet such as/],
    [64, "reserve 10.5.7.0/24 --public-ip=host", /must be an IPv4 address/],
    [64, "reserve 10.5.7.0/24 --public-ip=127.0.0.1", /must be a unicast address/],
    [65, "reserve 10.9.7.0/24 --public-ip=10.0.0.7", /not inside the network/],
    [65, "reserve 10.5.7.0/25 --public-ip=10.0.0.7", /subnets of this network are \/24/],
    [65, "reserve 10.5.7.0/24 --public-ip=10.0.0.1", /a host has one subnet/],
    [65, "release 10.5.1.0/24 --now", /is not reserved but leased .*; --force deletes it now/],
    [65, "release 10.5.1.0-24 --now --force", /is a lease; name it by its subnet/],
  ];
  for (const [status, line, says] of refused) {
    it(`refuse with ${status} and change nothing: ${line}`, async () => {
      const before = world();
      const said = await desk.run(...line.split(" "));
      assert.deepEqual([said.status, said.out], [status, ""]);
      assert.match(said.err, says);
      assert.deepEqual(world(), before);
    });
  }

  it("do nothing the second time, and call that done", async () => {
    const lines: readonly (readonly [string, string])[] = [
      ["reserve 10.5.1.0/24", "reserved"],
      ["release 10.5.1.0/24", "leased"],
      ["release 10.5.1.0/24 --now --force", "deleted"],
      ["reserve 10.5.7.0/24 --public-ip=10.0.0.7", "reserved"],
      ["release 10.5.7.0/24 --now", "deleted"],
    ];
    for (const [line, kind] of lines) {
      const first = await desk.run(...line.split(" "), "--json");
      const done = JSON.parse(first.out);
      assert.deepEqual([first.status, done.kind, done.changed], [0, kind, true], line);
      const before = world();
      const second = await desk.run(...line.split(" "), "--json");
      const again = JSON.parse(second.out);
      const found = kind === "deleted" ? "none" : kind;
      assert.deepEqual([second.status, again.kind, again.changed, again.subnet], [0, found, false, done.subnet], line);
      assert.deepEqual(world(), before, line);
      assert.match((await desk.run(...line.split(" "))).out, /; nothing was changed\n$/);
    }
  });

  it("delete what is no lease when told twice, by its subnet or its key, and nothing else", async () => {
    desk.store.write({ "10.5.8.0-24": "x", "foo/bar": LEASE, foo: LEASE });
    const bad = await desk.run("release", "10.5.8.0/24", "--now", "--force");
    assert.deepEqual([bad.status, bad.out], [0, 'deleted the record "10.5.8.0-24", which was no lease\n']);
    const named = JSON.parse((await desk.run("release", "foo/bar", "--now", "--force", "--json")).out);
    assert.deepEqual([named.key, named.subnet, named.kind, named.changed], ["foo/bar", null, "deleted", true]);
    assert.deepEqual([...desk.store.records().keys()], [KEY, "foo"]);
    const half = await desk.run("release", "foo", "--now");
    assert.equal(half.status, 64);
    assert.match(half.err, /"foo" is not a subnet/);
  });

  it("delete no record that has become a lease meanwhile", async () => {
    desk.store.write({ "10.5.8.0-24": "x" });
    overtake(desk, "removeBad", () => desk.store.write({ "10.5.8.0-24": LEASE.replace("10.0.0.1", "10.0.0.8") }));
    const { status } = await desk.run("release", "10.5.8.0-24", "--now", "--force");
    assert.equal(status, 65);
    assert.ok(desk.store.records().has("10.5.8.0-24"));
  });

  it("refuse to judge a subnet without a config, or by one that daemons refuse", async () => {
    desk.store.writeConfig("{}");
    const invalid = await desk.run("reserve", "10.5.1.0/24");
    assert.equal(invalid.status, 78);
    assert.match(invalid.err, /the network config in etcd: \$\.Network: /);
    desk.store.writeConfig(null);
    const none = await desk.run("reserve", "10.5.1.0/24");
    assert.equal(none.status, 78);
    assert.match(none.err, /there is none in etcd/);
  });

  it("decide again when the record was renewed, given away or deleted meanwhile", async () => {
    overtake(desk, "setTerm", () => desk.store.write({ [KEY]: LEASE }, minutes(20)));
    assert.match((await desk.run("reserve", "10.5.1.0/24")).out, /its lease does not end any more/);
    overtake(desk, "setTerm", () => desk.store.write({ [KEY]: LEASE.replace("10.0.0.1", "10.0.0.99") }));
    assert.match((await desk.run("release", "10.5.1.0/24")).out, /unless flanneld on 10\.0\.0\.99 renews it/);
    overtake(desk, "remove", () => desk.store.write({ [KEY]: null }));
    assert.match((await desk.run("release", "10.5.1.0/24", "--force")).out, /^there is no record of 10\.5\.1\.0\/24; /);
  });

  it("never take a subnet from a host that was faster", async () => {
    overtake(desk, "reserve", () =>
      desk.store.write({ "10.5.7.0-24": LEASE.replace("10.0.0.1", "10.0.0.5") }, minutes(10)),
    );
    const { status, err } = await desk.run("reserve", "10.5.7.0/24", "--public-ip=10.0.0.7");
    assert.equal(status, 65);
    assert.match(err, /leased by the host 10\.0\.0\.5/);
    assert.equal(desk.store.leaseCount(), 2);
  });

  it("reserve by the config that is there when the record is written", async () => {
    overtake(desk, "reserve", () => desk.store.writeConfig('{"Network": "10.9.0.0/16"}'));
    const { status, err } = await desk.run("reserve", "10.5.7.0/24", "--public-ip=10.0.0.7");
    assert.equal(status, 65);
    assert.match(err, /not inside the network 10\.9\.0\.0\/16/);
  });

  it("give up on a record that never rests", async () => {
    overtake(desk, "setTerm", () => desk.store.write({ [KEY]: LEASE }, minutes(20)), 100);
    const { status, err } = await desk.run("reserve", "10.5.1.0/24");
    assert.equal(status, 75);
    assert.match(err, /^somebody else changed the record of 10\.5\.1\.0\/24/);
  });
});
