// The commands for leases and reservations, on etcd.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import { byHand, openCommands, SUBNETS, succeed } from "../support/operator-commands.ts";

const { signal } = new AbortController();
const RECORD = '{"PublicIP":"10.0.0.1","PublicIPv6":null,"BackendType":"vxlan"}';
const { flanneld, shell, etcdctl, putLease, stored, revision, server, place } = openCommands(signal);

describe("the leases", () => {
  it("are the ones that etcdctl lists, with the time that etcd says they have left", async () => {
    await putLease("10.5.23.0/24", "10.0.0.1", 7200);
    await etcdctl(`put ${SUBNETS}/10.5.9.0-24 '{"PublicIP":"10.0.0.9"}'`);
    await etcdctl(`put ${SUBNETS}/foo bar`);
    const { leases, bad, summary } = JSON.parse(await succeed(flanneld("leases", "--json")));
    const listed = await succeed(shell(byHand("leases")[0] ?? ""));
    for (const { subnet } of leases) assert.ok(listed.includes(`${SUBNETS}/${subnet.replace("/", "-")}\n`));
    assert.deepEqual(
      leases.map(({ subnet, kind }: { subnet: string; kind: string }) => [subnet, kind]),
      [
        ["10.5.9.0/24", "reserved"],
        ["10.5.23.0/24", "leased"],
      ],
    );
    const [, fields = "", timeToLive = ""] = byHand("leases");
    const script = `LEASE=$(${fields.replace(/ +#.*/, "")} | awk -F' : ' '/^"Lease"/ {print $2}'); ${timeToLive}`;
    const [, remaining] = /remaining\((\d+)s\)/.exec(await succeed(shell(script))) ?? [];
    const ours = (Date.parse(leases[1].expires) - Date.now()) / 1000;
    assert.ok(Math.abs(ours - Number(remaining)) < 60, `${ours} ${remaining}`);
    assert.deepEqual(bad, [
      { key: "foo", reason: "its key is not a subnet without a host part, such as 10.5.52.0-24" },
    ]);
    assert.deepEqual(summary, { leased: 1, reserved: 1, bad: 1, free: 253, total: 255 });
  });

  it("are painted on a terminal, and not where NO_COLOR is set or somebody else reads", async () => {
    await putLease("10.5.23.0/24", "10.0.0.1");
    const terminal = (line: string) => succeed(shell(`script -qec '${line}' /dev/null`));
    assert.ok((await terminal("flanneld leases")).includes("\u001b[1mSUBNET"));
    assert.ok(!(await terminal("NO_COLOR=1 flanneld leases")).includes("\u001b"));
    assert.ok(!(await succeed(flanneld("leases"))).includes("\u001b"));
  });

  it("are all told, however many there are and however slowly they are read", async () => {
    const [, id = ""] = (await etcdctl("lease grant 86400")).split(" ");
    const admin = new Etcd3({ hosts: server().endpoint });
    const lease = BigInt(`0x${id}`).toString();
    for (let third = 0; third < 20; third++) {
      const puts = Array.from({ length: 100 }, (_, n) => ({
        request_put: { key: Buffer.from(`${SUBNETS}/10.${100 + n}.${third}.0-24`), value: Buffer.from(RECORD), lease },
      }));
      await admin.kv.txn({ success: puts });
    }
    admin.close();
    const reader = `node -e 'let n = 0; process.stdin.on("data", (d) => { n += d.length; process.stdin.pause(); setImmediate(() => process.stdin.resume()); }).on("end", () => console.log(n))'`;
    const size = Number(await succeed(shell(`flanneld leases | ${reader}`)));
    await shell(`flanneld leases > ${place().directory}/leases`);
    assert.equal(size, readFileSync(join(place().directory, "leases")).length);
    assert.match(
      readFileSync(join(place().directory, "leases"), "utf8"),
      /\n2000 leases, 0 reserved, 255 free of 255\n$/,
    );
  });

  it("can be read by somebody who stops reading", async () => {
    await putLease("10.5.23.0/24", "10.0.0.1");
    const { status, stderr } = await shell("set -o pipefail; flanneld leases --json | head -c 1 > /dev/null");
    assert.equal(stderr, "");
    assert.ok(status === 0 || status === 141, String(status));
  });

  it("that cannot be written down end with 74 and a sentence, as everything that is printed", async () => {
    for (const words of ["leases", "leases --json", "config get", "help", "--help", "--version"]) {
      const { status, stderr } = await shell(`flanneld ${words} >/dev/full`);
      const expected = [74, "flanneld: cannot write to standard output: no space left on the device\n"];
      assert.deepEqual([status, stderr], expected, words);
    }
  });
});

describe("a reservation", () => {
  it("of a lease is what etcdctl would make of it: the same bytes without an etcd lease", async () => {
    const value = await putLease("10.5.23.0/24", "10.0.0.1");
    await succeed(shell(byHand("reserve")[0] ?? ""));
    const expected = await stored("10.5.23.0/24");
    assert.deepEqual(expected, { value, lease: "0", granted: null });
    await putLease("10.5.23.0/24", "10.0.0.1");
    assert.match(
      await succeed(flanneld("reserve", "10.5.23.0/24")),
      /^reserved 10\.5\.23\.0\/24 for the host 10\.0\.0\.1/,
    );
    assert.deepEqual(await stored("10.5.23.0/24"), expected);
  });

  it("of a free subnet is what etcdctl would write", async () => {
    await succeed(shell(byHand("reserve")[1] ?? ""));
    const expected = await stored("10.5.77.0/24");
    await etcdctl(`del ${SUBNETS}/10.5.77.0-24`);
    const done = await succeed(flanneld("reserve", "10.5.77.0/24", "--public-ip", "10.0.0.7", "--json"));
    assert.deepEqual(JSON.parse(done).kind, "reserved");
    assert.deepEqual(await stored("10.5.77.0/24"), expected);
  });

  it("is released to what etcdctl would make of it: the same bytes under an etcd lease of 24 h", async () => {
    const value = await putLease("10.5.23.0/24", "10.0.0.1", 600);
    await succeed(flanneld("reserve", "10.5.23.0/24"));
    await succeed(shell(byHand("release").join("\n")));
    const expected = await stored("10.5.23.0/24");
    assert.deepEqual([expected?.value, expected?.granted], [value, 86_400]);
    await succeed(flanneld("reserve", "10.5.23.0/24"));
    assert.match(await succeed(flanneld("release", "10.5.23.0/24")), /it is a lease again, which ends in 24 h/);
    const { value: after, granted, lease } = (await stored("10.5.23.0/24")) ?? {};
    assert.deepEqual([after, granted], [value, 86_400]);
    assert.notEqual(lease, expected?.lease);
  });

  it("is deleted as etcdctl would delete it", async () => {
    for (const release of [byHand("release --now").join("\n"), "flanneld release --now 10.5.77.0/24"]) {
      await succeed(flanneld("reserve", "10.5.77.0/24", "--public-ip=10.0.0.7"));
      await succeed(shell(release));
      assert.equal(await stored("10.5.77.0/24"), null, release);
    }
  });

  it("is no way around records that are no leases: those are deleted by force, as etcdctl would delete them", async () => {
    for (const key of ["10.5.8.0-24", "foo bar"]) {
      await etcdctl(`put "${SUBNETS}/${key}" bar`);
      const asked = await flanneld("release", key, "--now");
      assert.equal(asked.status, 64, asked.stderr);
      assert.match(await succeed(flanneld("release", key, "--now", "--force")), /^deleted the record "/);
      assert.equal(await etcdctl(`get --keys-only "${SUBNETS}/${key}"`), "");
    }
  });

  it("that cannot be is refused with a sentence, and nothing is changed", async () => {
    await putLease("10.5.23.0/24", "10.0.0.1");
    const before = await revision();
    const leases = await etcdctl("lease list");
    const cases: readonly (readonly [number, string])[] = [
      [65, "reserve 10.6.1.0/24 --public-ip=10.0.0.9"],
      [65, "reserve 10.5.24.0/25 --public-ip=10.0.0.9"],
      [65, "reserve 10.5.23.0/24 --public-ip=10.0.0.9"],
      [65, "reserve 10.5.24.0/24 --public-ip=10.0.0.1"],
      [64, "reserve 10.5.24.9/24 --public-ip=10.0.0.9"],
      [64, "reserve 10.5.24.0/24"],
      [64, "reserve"],
      [65, "release 10.5.23.0/24 --now"],
      [64, "release ten"],
    ];
    for (const [status, line] of cases) {
      const refused = await flanneld(...line.split(" "));
      assert.deepEqual([refused.status, refused.stdout], [status, ""], line);
      assert.match(refused.stderr, /^flanneld: .+\n$/, line);
    }
    assert.deepEqual([await revision(), await etcdctl("lease list")], [before, leases]);
  });

  it("that is made or released twice is the second time left as it is, with status 0", async () => {
    await putLease("10.5.23.0/24", "10.0.0.1");
    for (const line of ["reserve 10.5.23.0/24", "release 10.5.23.0/24", "release 10.5.23.0/24 --force"]) {
      await succeed(flanneld(...line.split(" ")));
      const before = await revision();
      assert.match(await succeed(flanneld(...line.split(" "))), /; nothing was changed\n$/, line);
      assert.equal(await revision(), before, line);
    }
  });

  it("goes to one of many hosts for which the subnet is asked for at once", async () => {
    const hosts = Array.from({ length: 6 }, (_, n) => `10.0.0.${n + 1}`);
    const outcomes = await Promise.all(hosts.map((ip) => flanneld("reserve", "10.5.7.0/24", `--public-ip=${ip}`)));
    const winners = hosts.filter((_, n) => outcomes[n]?.status === 0);
    assert.equal(winners.length, 1, JSON.stringify(outcomes));
    assert.ok((await stored("10.5.7.0/24"))?.value.includes(`"${winners[0]}"`));
    for (const { status } of outcomes) assert.ok(status === 0 || status === 65, String(status));
  });
});
