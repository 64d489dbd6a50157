import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EpochMillis } from "../../../src/base/brand.ts";
import { parseIpv4 } from "../../../src/base/ip.ts";
import type { NodeId, Revision } from "../../../src/subnet/lease.ts";
import { decodeRemembered, encodeRemembered, type Remembered, unfitness } from "../../../src/subnet/remembered.ts";
import { leaseOf, peerNumber } from "../../support/leases.ts";

const PREFIX = "/coreos.com/network";
const END = Date.UTC(2024, 0, 2) as EpochMillis;
const OWN = leaseOf({ subnet: "10.0.52.0/24", publicIp: "192.168.64.2", nodeId: "11" });
const REMEMBERED: Remembered = {
  prefix: PREFIX,
  writtenAt: Date.UTC(2024, 0, 1) as EpochMillis,
  config: '{"Network":"10.0.0.0/8"}',
  acquired: {
    lease: { ...OWN, term: { kind: "until", at: END } },
    list: { revision: "77" as Revision, leases: [OWN, peerNumber(1), peerNumber(2)], bad: [] },
    fresh: false,
  },
};
const SELF = { nodeId: "11" as NodeId, publicIp: parseIpv4("192.168.64.2"), publicIpv6: null };

function refused(text: string, prefix = PREFIX): string {
  const found = decodeRemembered(text, prefix);
  assert.ok(found.kind === "none");
  return found.reason;
}

describe("what a host remembers", () => {
  it("is read back as it was, and a reservation as one", () => {
    assert.deepEqual(decodeRemembered(encodeRemembered(REMEMBERED), PREFIX), { kind: "found", remembered: REMEMBERED });
    const reserved: Remembered = {
      ...REMEMBERED,
      acquired: { ...REMEMBERED.acquired, lease: { ...OWN, term: { kind: "reserved" } } },
    };
    assert.deepEqual(decodeRemembered(encodeRemembered(reserved), PREFIX), { kind: "found", remembered: reserved });
  });

  it("is of no use when any byte of it is another, or missing", () => {
    const text = encodeRemembered(REMEMBERED);
    for (let at = 0; at < text.length - 1; at += 7) {
      const other = text[at] === "7" ? "8" : "7";
      assert.equal(decodeRemembered(text.slice(0, at) + other + text.slice(at + 1), PREFIX).kind, "none", `at ${at}`);
      assert.equal(decodeRemembered(text.slice(0, at), PREFIX).kind, "none", `up to ${at}`);
    }
  });

  it("says why it is of no use", () => {
    const text = encodeRemembered(REMEMBERED);
    assert.equal(refused(""), "it is damaged");
    assert.equal(refused("null\nnull\n"), "it is damaged");
    assert.equal(refused(text.replace('"version":2', '"version":1')), "its version is 1, not 2");
    assert.equal(refused(text.replace("10.0.52.0", "10.0.53.0")), "its checksum is wrong");
    assert.equal(refused(text, "/other"), "it is of another network");
  });

  it("is not to be used by another host, nor when the lease has ended", () => {
    const before = (END - 1) as EpochMillis;
    assert.equal(unfitness(REMEMBERED, SELF, before), null);
    assert.match(unfitness(REMEMBERED, SELF, 0 as EpochMillis) ?? "", /of a later time than the clock shows/);
    assert.equal(unfitness(REMEMBERED, SELF, END), "its lease ended at 2024-01-02T00:00:00.000Z");
    assert.match(
      unfitness(REMEMBERED, { ...SELF, publicIp: parseIpv4("192.168.64.9") }, before) ?? "",
      /192\.168\.64\.2/,
    );
    assert.notEqual(unfitness(REMEMBERED, { ...SELF, nodeId: "22" as NodeId }, before), null);
  });
});
