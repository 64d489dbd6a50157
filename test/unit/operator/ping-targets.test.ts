import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chooseTargets } from "../../../src/operator/ping-targets.ts";
import { dualLease, hostNumber, ipv6Only } from "../../support/dual-stack.ts";
import { OWN, OWN_ID, PEER, recordOf } from "../../support/well-facts.ts";

const THIRD = recordOf("10.5.3.0/24", "192.168.77.13");

describe("whom a word means", () => {
  const named = (word: string | null) => {
    const targets = chooseTargets([OWN, PEER, THIRD], word, ["192.168.77.11", "10.5.1.0"]);
    if (targets.kind === "self") return "this host";
    return targets.kind === "found" ? targets.peers.map(({ subnet }) => subnet.v4) : targets.reason;
  };

  it("is a host by its address or id, a subnet, or the owner of an address", () => {
    for (const word of ["192.168.77.12", "b".repeat(32), "bbbb", "10.5.2.0/24", "10.5.2.9", "10.5.2.8/29"]) {
      assert.deepEqual(named(word), ["10.5.2.0/24"], word);
    }
  });

  it("is this host itself by the same, which is no peer", () => {
    for (const word of ["192.168.77.11", OWN_ID, "10.5.1.0/24", "10.5.1.7"]) assert.equal(named(word), "this host");
  });

  it("is the owner of an IPv6 address or subnet, however that is written", () => {
    const [own, dual, alone] = [hostNumber(1), hostNumber(2), ipv6Only(hostNumber(3))].map(dualLease);
    assert.ok(own && dual && alone);
    const named6 = (word: string) => chooseTargets([own, dual, alone, PEER], word, [`${own.attrs.publicIpv6}`]);
    for (const lease of [dual, alone]) {
      const v6 = `${lease.subnet.v6}`;
      const inside = v6.replace("::/64", "::abc");
      for (const word of [
        v6,
        inside,
        inside.toUpperCase(),
        inside.replace("::", ":0:0:0:"),
        `${lease.attrs.publicIpv6}`,
      ])
        assert.deepEqual(named6(word), { kind: "found", peers: [lease], self: own }, word);
    }
    assert.equal(named6(`${own.subnet.v6}`.replace("::/64", "::abc")).kind, "self");
    assert.equal(named6("fd00:9::1").kind, "none");
  });

  it("is nobody by too little of an id, or by nonsense", () => {
    for (const word of ["bbb", "10.5.0.0/16", "host-2", "\u001b[2J"])
      assert.match(String(named(word)), /^no lease has/, word);
  });

  it("is everybody else when there is none, also behind NAT", () => {
    assert.deepEqual(named(null), ["10.5.2.0/24", "10.5.3.0/24"]);
    const behindNat = chooseTargets([recordOf("10.5.1.0/24", "203.0.113.1")], null, ["10.5.1.0"]);
    assert.deepEqual(behindNat.kind === "found" && behindNat.peers, []);
  });
});
