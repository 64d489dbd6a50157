// What whoever counts traffic relies on of nft. Runs on the real one in a network namespace, and on the fake.

import assert from "node:assert/strict";
import { it } from "node:test";
import { isError } from "../../src/base/errors.ts";
import type { Prefix } from "../../src/base/ip.ts";
import type { ToolDeps } from "../../src/firewall/ask-tool.ts";
import type { Counted } from "../../src/traffic/counted.ts";
import { openNftTable, removeNftTable } from "../../src/traffic/nft-table.ts";
import { planTraffic } from "../../src/traffic/plan.ts";

export interface NftFixture {
  readonly deps: ToolDeps;
  /** Lets the element of a set have counted so much. */
  readonly count: (table: string, set: string, address: string, packets: number, bytes: number) => void;
}

const TABLE = "flannel-traffic/contract";
const { signal } = new AbortController();

export function countedSubnets(...subnets: readonly string[]): Counted {
  return { devices: ["flannel.1"], subnets: subnets as readonly Prefix[], complete: true };
}

const ONE = countedSubnets("10.5.1.0/24", "10.5.2.0/24", "fd00:5:0:1::/64");
/** Of several lengths and devices. */
const OTHER = {
  ...countedSubnets("10.5.2.0/24", "10.5.8.0/26", "10.5.9.1/32", "fd00:5:0:1::/64", "fd00:5:1::/48"),
  devices: ["flannel.1", "eth0"],
};

export function nftTrafficContract(fixture: () => NftFixture): void {
  const table = () => openNftTable(TABLE, fixture().deps);
  const settle = async (want: Counted) => {
    const { script } = planTraffic(TABLE, want, await table().read(signal));
    await table().change(script, signal);
    return script;
  };
  const nothingToDo = async (want: Counted) => {
    const listed = await table().read(signal);
    assert.equal(listed?.isCounting, true);
    assert.equal(planTraffic(TABLE, want, listed).script, "");
    return listed?.traffic ?? assert.fail();
  };
  const sent = (packets: number, bytes: number) => ({
    receivedBytes: 0,
    receivedPackets: 0,
    sentBytes: bytes,
    sentPackets: packets,
  });

  it("has what was made, and counts every subnet from zero", async () => {
    assert.equal(await table().read(signal), null);
    await settle(ONE);
    const traffic = await nothingToDo(ONE);
    assert.deepEqual([...traffic.keys()].toSorted(), [...ONE.subnets].toSorted());
    assert.deepEqual([...traffic.values()], [sent(0, 0), sent(0, 0), sent(0, 0)]);
  });

  it("counts on those that stay when others come and go, of any length and on other devices", async () => {
    fixture().count(TABLE, "sent-ipv4-24", "10.5.2.0", 7, 900);
    fixture().count(TABLE, "sent-ipv6-64", "fd00:5:0:1::", 3, 300);
    await settle(OTHER);
    const traffic = await nothingToDo(OTHER);
    assert.deepEqual(traffic.get("10.5.2.0/24" as Prefix), sent(7, 900));
    assert.deepEqual(traffic.get("fd00:5:0:1::/64" as Prefix), sent(3, 300));
    assert.deepEqual([...traffic.keys()].toSorted(), [...OTHER.subnets].toSorted());
  });

  it("changes nothing when a part of it is refused", async () => {
    const script = `add element inet ${TABLE} sent-ipv4-24 { 10.5.77.0 }\ndelete element inet ${TABLE} sent-ipv4-24 { 10.5.99.0 }\n`;
    await assert.rejects(table().change(script, signal), (error) => isError(error, "firewall.failed"));
    await nothingToDo(OTHER);
  });

  it("keeps the sets and no rule while no route leads anywhere, and then only what is wanted", async () => {
    const none = { ...OTHER, devices: [] };
    await settle(none);
    assert.equal((await nothingToDo(none)).get("10.5.2.0/24" as Prefix)?.sentPackets, 7);
    await settle(countedSubnets());
    assert.equal((await nothingToDo(countedSubnets())).size, 0);
  });

  it("is removed once", async () => {
    assert.equal(await removeNftTable(TABLE, fixture().deps, signal), true);
    assert.equal(await removeNftTable(TABLE, fixture().deps, signal), false);
    assert.equal(await table().read(signal), null);
  });
}
