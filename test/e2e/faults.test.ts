import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Flanneld } from "../../lab/flanneld.ts";
import { waitFor } from "../../lab/wait.ts";
import { type Millis, seconds } from "../../src/base/brand.ts";
import { type Cluster, openCluster, PREFIX, VXLAN_CONFIG } from "../support/cluster.ts";

const { signal } = new AbortController();
const LIMIT = seconds(20);
let cluster: Cluster;
let daemons: readonly Flanneld[];

before(async () => {
  cluster = await openCluster(2, VXLAN_CONFIG, signal);
  daemons = await cluster.startAll({ flags: ["--healthz-port=8081"] });
  await waitFor(
    "the route to the peer",
    () => inOverlay("ip route show dev flannel.1", / proto 70 onlink/),
    LIMIT,
    signal,
  );
});
after(async () => cluster?.[Symbol.asyncDispose]());

function firstDaemon(): Flanneld {
  const [first] = daemons;
  assert.ok(first);
  return first;
}

/** What a command on the first host prints, if it matches. */
async function inOverlay(command: string, pattern: RegExp): Promise<string | null> {
  const { stdout } = await cluster.tryOn(0, ...command.split(" "));
  return pattern.test(stdout) ? stdout : null;
}

const comesBack = (command: string, pattern: RegExp, limit: Millis = LIMIT) =>
  waitFor(`${pattern} in ${command}`, () => inOverlay(command, pattern), limit, signal);

/** All that the host has of the overlay; the device without its index, which changes when it is made anew. */
async function overlayEntries(): Promise<readonly string[]> {
  const link = (await cluster.on(0, "ip", "-o", "link", "show", "flannel.1")).replace(/^\d+/, "");
  const commands = [
    "ip route show dev flannel.1",
    "ip neigh show dev flannel.1 nud permanent",
    "bridge fdb show dev flannel.1",
  ];
  return [link, ...(await Promise.all(commands.map((command) => cluster.on(0, ...command.split(" ")))))];
}

const becomes = (expected: readonly string[]) =>
  waitFor(
    "the former state",
    async () => {
      const now = await overlayEntries().catch(() => []);
      return JSON.stringify(now) === JSON.stringify(expected) ? true : null;
    },
    LIMIT,
    signal,
  );

const goes = (text: string) =>
  waitFor(
    `the entries of ${text} to go`,
    async () => ((await overlayEntries()).join().includes(text) ? null : true),
    LIMIT,
    signal,
  );

async function ownKey(): Promise<string> {
  const base = /inet (\S+)\/32/.exec(await cluster.on(0, "ip", "-4", "addr", "show", "flannel.1"))?.[1];
  return `${PREFIX}/subnets/${base}-24`;
}

async function readiness(): Promise<string> {
  const script = `fetch("http://127.0.0.1:8081/readyz").then(async (r) => console.log(r.status, await r.text()))`;
  return cluster.on(0, "node", "-e", script);
}

describe("somebody changes the kernel", () => {
  for (const [what, command] of [
    ["deletes flannel.1", "ip link del flannel.1"],
    ["sets flannel.1 down", "ip link set flannel.1 down"],
    ["flushes the routes", "ip route flush dev flannel.1"],
    ["flushes the neighbours", "ip neigh flush dev flannel.1 nud permanent"],
    ["changes the MTU", "ip link set flannel.1 mtu 1400"],
  ] as const) {
    it(`and ${what}: everything is as before`, async () => {
      const before = await overlayEntries();
      await cluster.on(0, ...command.split(" "));
      await becomes(before);
    });
  }

  it("and puts a foreign route where a peer's belongs: it is left alone, reported, and the others go on", async () => {
    await cluster.on(0, "ip", "route", "add", "10.5.200.0/24", "dev", "lo");
    await cluster.etcdctl(
      "put",
      `${PREFIX}/subnets/10.5.200.0-24`,
      '{"PublicIP":"192.168.77.200","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:02:00"}}',
    );
    await firstDaemon().waitForLog(/10\.5\.200\.0\/24 dev lo proto 3 stands in its place/, LIMIT, signal);
    assert.match(await cluster.on(0, "ip", "route", "show", "10.5.200.0/24"), /dev lo/);
    await cluster.on(0, "ip", "route", "del", "10.5.200.0/24", "dev", "lo");
    await cluster.etcdctl("del", `${PREFIX}/subnets/10.5.200.0-24`);
    await goes("10.5.200.0");
  });
});

describe("records in etcd", () => {
  it("that do not parse, lie outside the network or overlap ours are left out, and hurt no peer", async () => {
    const before = await overlayEntries();
    const own = await ownKey();
    const record =
      '{"PublicIP":"192.168.77.66","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:06:66"}}';
    const inOurs = own.replace(/0-24$/, "128-25");
    const keys = [`${PREFIX}/subnets/foo`, `${PREFIX}/subnets/10.9.1.0-24`, `${PREFIX}/subnets/0.0.0.0-0`, inOurs];
    for (const key of keys) {
      await cluster.etcdctl("put", key, key.endsWith("foo") ? "bar" : record);
      await firstDaemon().waitForLog(new RegExp(`left out.*key=${key.slice(key.lastIndexOf("/") + 1)}`), LIMIT, signal);
    }
    assert.deepEqual(await overlayEntries(), before);
    for (const key of keys) await cluster.etcdctl("del", key);
  });

  it("of our own that are deleted are leased again at the same subnet", async () => {
    const key = await ownKey();
    await cluster.etcdctl("del", key);
    await waitFor("the record", async () => ((await cluster.etcdctl("get", key)) === "" ? null : true), LIMIT, signal);
    assert.match(await readiness(), /^200 /);
  });

  it("of a peer that change its MAC and address are followed", async () => {
    const key = `${PREFIX}/subnets/10.5.210.0-24`;
    const record = (ip: string, mac: string) =>
      `{"PublicIP":"${ip}","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"${mac}"}}`;
    await cluster.etcdctl("put", key, record("192.168.77.210", "02:00:00:00:02:10"));
    await comesBack("bridge fdb show dev flannel.1", /02:00:00:00:02:10 dst 192\.168\.77\.210/);
    await cluster.etcdctl("put", key, record("192.168.77.211", "02:00:00:00:02:11"));
    const fdb = await comesBack("bridge fdb show dev flannel.1", /02:00:00:00:02:11 dst 192\.168\.77\.211/);
    assert.doesNotMatch(fdb, /02:00:00:00:02:10/);
    await cluster.etcdctl("del", key);
    await goes("10.5.210.0");
  });
});

describe("etcd", () => {
  it("that goes away and comes back changes nothing on the host, and is followed again", async () => {
    const before = await overlayEntries();
    await cluster.etcd.stop();
    await firstDaemon().waitForLog(/lost the connection to etcd/, LIMIT, signal);
    assert.deepEqual(await overlayEntries(), before);
    await cluster.etcd.start();
    await firstDaemon().waitForLog(/connected to etcd again/, LIMIT, signal);
    const key = `${PREFIX}/subnets/10.5.220.0-24`;
    const record =
      '{"PublicIP":"192.168.77.220","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:02:20"}}';
    await cluster.etcdctl("put", key, record);
    await comesBack("ip route show dev flannel.1", /10\.5\.220\.0\/24/);
    await cluster.etcdctl("del", key);
    await goes("10.5.220.0");
  });
});

describe("readiness", () => {
  it("is lost with the device, and comes back with it", async () => {
    assert.match(await readiness(), /^200 /);
    const up = [
      "ip addr add 192.168.77.11/24 dev eth0",
      "ip link set eth0 up",
      "ip route add default via 192.168.77.1",
    ];
    // The device cannot be made anew while its lower device has another name.
    for (const command of ["ip link set eth0 down", "ip link set eth0 name gone0", "ip link del flannel.1"]) {
      await cluster.on(0, ...command.split(" "));
    }
    await waitFor(
      "503",
      async () => ((await readiness()).startsWith("503 flanneld is not ready yet: device") ? true : null),
      LIMIT,
      signal,
    );
    for (const command of ["ip link set gone0 name eth0", ...up.slice(1)])
      await cluster.tryOn(0, ...command.split(" "));
    await waitFor("200", async () => ((await readiness()).startsWith("200 ") ? true : null), seconds(60), signal);
  });
});
