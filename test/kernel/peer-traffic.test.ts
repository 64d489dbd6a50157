// What counts traffic by peer, in the kernel: nft as we use it, and which packets its elements count.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, afterEach, before, describe, it } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import type { Prefix } from "../../src/base/ip.ts";
import { runTool } from "../../src/firewall/tool.ts";
import type { Counted } from "../../src/traffic/counted.ts";
import { openNftTable } from "../../src/traffic/nft-table.ts";
import { planTraffic } from "../../src/traffic/plan.ts";
import { countedSubnets, nftTrafficContract } from "../contract/nft-traffic.ts";
import { ip, whyNotHere } from "../support/namespace.ts";

const { signal } = new AbortController();
const deps = { runTool, clock: systemClock };
const TABLE = "flannel-traffic/kernel";

function nft(words: string): string {
  return execFileSync("nft", [words], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function countElement(table: string, set: string, address: string, packets: number, bytes: number): void {
  const where = `inet ${table} ${set}`;
  nft(
    `delete element ${where} { ${address} }; add element ${where} { ${address} counter packets ${packets} bytes ${bytes} }`,
  );
}

describe("nft", { skip: whyNotHere() }, () => nftTrafficContract(() => ({ deps, count: countElement })));

describe("the table in the kernel", { skip: whyNotHere() }, () => {
  const table = openNftTable(TABLE, deps);
  const settle = async (want: Counted) => {
    await table.change(planTraffic(TABLE, want, await table.read(signal)).script, signal);
  };
  afterEach(() => nft("flush ruleset"));

  const strangers: readonly (readonly [string, string])[] = [
    ["another chain", `add chain inet ${TABLE} other`],
    ["another set", `add set inet ${TABLE} blocked { type ipv4_addr; }`],
    ["a map", `add map inet ${TABLE} m { type ipv4_addr : mark; }`],
  ];
  for (const [what, command] of strangers) {
    it(`is made anew where somebody has made ${what} of it`, async () => {
      await settle(countedSubnets("10.5.1.0/24"));
      nft(command);
      assert.equal(await table.read(signal), null);
      await settle(countedSubnets("10.5.1.0/24"));
      assert.equal((await table.read(signal))?.traffic.size, 1);
    });
  }

  it("has a rule of somebody else's taken away, and the counters go on", async () => {
    const want = countedSubnets("10.5.1.0/24");
    await settle(want);
    countElement(TABLE, "sent-ipv4-24", "10.5.1.0", 5, 500);
    nft(`insert rule inet ${TABLE} sent counter`);
    await settle(want);
    const listed = await table.read(signal);
    assert.equal(planTraffic(TABLE, want, listed).script, "");
    assert.equal(listed?.traffic.get("10.5.1.0/24" as Prefix)?.sentPackets, 5);
  });

  it("takes thousands of peers in one transaction, and reads them all", async () => {
    const subnets = Array.from({ length: 5000 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`);
    const want = countedSubnets(...subnets);
    await settle(want);
    const listed = await table.read(signal);
    assert.equal(listed?.traffic.size, 5000);
    assert.equal(planTraffic(TABLE, want, listed).script, "");
  });
});

describe("the elements of the sets", { skip: whyNotHere() }, () => {
  const table = openNftTable(TABLE, deps);
  const other = `flannel-traffic-${process.pid}`;
  const far = (line: string) => execFileSync("ip", ["netns", "exec", other, ...line.split(" ")], { encoding: "utf8" });
  const A = "10.5.1.0/24" as Prefix;
  const B = "10.5.2.0/26" as Prefix;
  const C = "fd00:5:0:1::/64" as Prefix;
  const UNKNOWN = "10.5.9.0/24" as Prefix;

  before(() => {
    ip(`netns add ${other}`);
    for (const [dev, number] of [
      ["over0", "0"],
      ["other0", "1"],
    ]) {
      const near = `${dev} address 02:00:00:00:0${number}:01`;
      ip(`link add ${near} type veth peer name ${dev} address 02:00:00:00:0${number}:02 netns ${other}`);
      ip(`link set ${dev} up`);
      far(`ip link set ${dev} up`);
    }
    ip("addr add 10.5.0.1/32 dev over0");
    ip("addr add fd00:5::1/128 dev over0 nodad");
    for (const subnet of [A, B, UNKNOWN]) ip(`route add ${subnet} dev over0`);
    ip(`route add ${C} dev over0`);
    ip("route add 10.6.0.0/16 dev other0");
    for (const address of ["10.5.1.7", "10.5.2.63", "10.5.9.7"]) far(`ip addr add ${address}/32 dev over0`);
    far("ip addr add 10.6.0.7/32 dev other0");
    far("ip addr add fd00:5:0:1::7/128 dev over0 nodad");
    far("ip route add 10.5.0.1/32 dev over0");
    far("ip route add fd00:5::1/128 dev over0");
    // As of vxlan: nobody asks for neighbours, which would be counted, too.
    ip("neigh add fd00:5:0:1::7 lladdr 02:00:00:00:00:02 dev over0 nud permanent");
    far("ip neigh add fd00:5::1 lladdr 02:00:00:00:00:01 dev over0 nud permanent");
  });
  after(() => {
    ip(`netns del ${other}`);
    nft("flush ruleset");
  });

  /** Ends with the last answer (lab/ping.ts says why all are sent at once). */
  const ping = (to: string, count: number, size: number) =>
    execFileSync("ping", ["-q", "-c", `${count}`, "-l", `${count}`, "-i", "5", "-s", `${size}`, to]);

  it("count the packets of each peer, of both families and any length, once in each direction", async () => {
    const want = { ...countedSubnets(A, B, C, "10.5.3.0/24"), devices: ["over0"] };
    await table.change(planTraffic(TABLE, want, null).script, signal);
    ping("10.5.1.7", 7, 100);
    ping("10.5.2.63", 3, 0);
    ping("10.5.9.7", 5, 100);
    ping("fd00:5:0:1::7", 2, 60);
    const traffic = (await table.read(signal))?.traffic ?? assert.fail();
    const both = (packets: number, bytes: number) => ({
      receivedPackets: packets,
      receivedBytes: bytes,
      sentPackets: packets,
      sentBytes: bytes,
    });
    assert.deepEqual(traffic.get(A), both(7, 7 * 128));
    assert.deepEqual(traffic.get(B), both(3, 3 * 28));
    assert.deepEqual(traffic.get(C), both(2, 2 * 108));
    assert.deepEqual(traffic.get("10.5.3.0/24" as Prefix), both(0, 0));
    assert.equal(traffic.has(UNKNOWN), false);
  });

  it("count nothing that comes and goes by another device", async () => {
    const want = { ...countedSubnets(A), devices: ["other0"] };
    await table.change(planTraffic(TABLE, want, null).script, signal);
    ping("10.5.1.7", 3, 0);
    assert.equal((await table.read(signal))?.traffic.get(A)?.sentPackets, 0);
  });
});
