import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Prefix } from "../../../src/base/ip.ts";
import type { Json } from "../../../src/base/json.ts";
import { parseTable } from "../../../src/traffic/table.ts";

const NAME = "flannel-traffic/coreos.com/network";
const where = { family: "inet", table: NAME };
const CHAINS: readonly Json[] = [
  {
    chain: { ...where, name: "received", handle: 1, type: "filter", hook: "prerouting", prio: -300, policy: "accept" },
  },
  { chain: { ...where, name: "sent", handle: 2, type: "filter", hook: "postrouting", prio: 300, policy: "accept" } },
];

function listed(...items: readonly Json[]) {
  const table = { table: { family: "inet", name: NAME, handle: 7 } };
  return parseTable(JSON.stringify({ nftables: [{ metainfo: { version: "1.0.6" } }, table, ...items] }));
}

function set(name: string, type: string, ...elem: readonly Json[]): Json {
  return { set: { ...where, name, type, handle: 3, elem } };
}

function element(val: Json, packets: number, bytes: number): Json {
  return { elem: { val, counter: { packets, bytes } } };
}

describe("the table as nft prints it", () => {
  it("has what was counted by subnet, both directions", () => {
    const table = listed(
      ...CHAINS,
      set("received-ipv4-24", "ipv4_addr", element("10.5.1.0", 3, 252)),
      set("sent-ipv4-24", "ipv4_addr", element("10.5.1.0", 4, 336)),
      set("sent-ipv6-64", "ipv6_addr", element("fd00:5:0:1::", 5, 520)),
      { rule: { ...where, chain: "sent", comment: "sent-ipv4-24 on flannel.1", expr: [] } },
    );
    assert.deepEqual(Object.fromEntries(table?.traffic ?? []), {
      "10.5.1.0/24": { receivedPackets: 3, receivedBytes: 252, sentPackets: 4, sentBytes: 336 },
      "fd00:5:0:1::/64": { receivedPackets: 0, receivedBytes: 0, sentPackets: 5, sentBytes: 520 },
    });
    assert.deepEqual(table?.rules, { received: [], sent: ["sent-ipv4-24 on flannel.1"] });
    assert.deepEqual([...(table?.sets.get("sent-ipv6-64") ?? [])], ["fd00:5:0:1::/64" as Prefix]);
    assert.equal(table?.isCounting, true);
  });

  it("may have empty sets", () => {
    assert.deepEqual(
      [...(listed(...CHAINS, { set: { ...where, name: "sent-ipv4-24", type: "ipv4_addr" } })?.sets ?? [])],
      [["sent-ipv4-24", new Set()]],
    );
  });

  it("counts nothing where elements have no counters", () => {
    assert.equal(listed(...CHAINS, set("sent-ipv4-24", "ipv4_addr", "10.5.1.0"))?.isCounting, false);
  });

  const strange: readonly (readonly [string, readonly Json[]])[] = [
    ["lacks a chain", CHAINS.slice(1)],
    ["has a chain of somebody else's", [...CHAINS, { chain: { ...where, name: "other" } }]],
    ["has a chain that hangs elsewhere", [CHAINS[0] ?? null, { chain: { ...where, name: "sent", hook: "output" } }]],
    ["has a set of somebody else's", [...CHAINS, set("blocked", "ipv4_addr")]],
    ["has a set of ranges", [...CHAINS, set("sent-ipv4-24", "ipv4_addr", { prefix: { addr: "10.5.0.0", len: 16 } })]],
    ["has a set of something else", [...CHAINS, set("sent-ipv4-24", "inet_service", 80)]],
    ["has anything else", [...CHAINS, { map: { ...where, name: "m" } }]],
    ["sleeps", [...CHAINS, { table: { family: "inet", name: NAME, flags: "dormant" } }]],
  ];
  for (const [what, items] of strange)
    it(`is not one to go on with when it ${what}`, () => assert.equal(listed(...items), null));
});
