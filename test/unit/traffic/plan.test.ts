import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Prefix } from "../../../src/base/ip.ts";
import { maskOf, parseSetName, trafficTable } from "../../../src/traffic/counted.ts";
import { planTraffic } from "../../../src/traffic/plan.ts";
import { countedSubnets } from "../../contract/nft-traffic.ts";

const TABLE = "flannel-traffic/coreos.com/network";
const ONE = countedSubnets("10.5.1.0/24", "10.5.2.0/24");

describe("the table's name", () => {
  it("is of the network that its daemon carries, as nft can spell it", () => {
    assert.equal(trafficTable("/coreos.com/network"), TABLE);
    assert.equal(trafficTable("/blue/"), "flannel-traffic/blue");
    assert.match(trafficTable("/a b; drop"), /^flannel-traffic\/[0-9a-f]{16}$/);
    assert.notEqual(trafficTable("/a b"), trafficTable("/a c"));
    assert.match(trafficTable("/"), /^flannel-traffic\/[0-9a-f]{16}$/);
    assert.match(trafficTable("x".repeat(400)), /^flannel-traffic\/[0-9a-f]{16}$/);
  });
});

describe("a set's name", () => {
  it("says what is in it", () => {
    assert.deepEqual(parseSetName("sent-ipv6-64"), { direction: "sent", family: "ipv6", length: 64 });
    for (const other of ["sent", "sent-ipv4", "lost-ipv4-24", "received-ipx-24"])
      assert.equal(parseSetName(other), null);
  });

  it("has the mask in it by which an address is looked up", () => {
    assert.equal(maskOf({ family: "ipv4", length: 24 }), "255.255.255.0");
    assert.equal(maskOf({ family: "ipv4", length: 32 }), "255.255.255.255");
    assert.equal(maskOf({ family: "ipv4", length: 9 }), "255.128.0.0");
    assert.equal(maskOf({ family: "ipv6", length: 64 }), "ffff:ffff:ffff:ffff::");
  });
});

describe("the plan", () => {
  it("makes a table where there is none, in one transaction that also removes a strange one", () => {
    assert.equal(
      planTraffic(TABLE, ONE, null).script,
      `add table inet ${TABLE}
delete table inet ${TABLE}
table inet ${TABLE} {
	comment "flanneld --peer-traffic"
	chain received {
		type filter hook prerouting priority -300; policy accept;
	}
	chain sent {
		type filter hook postrouting priority 300; policy accept;
	}
}
add set inet ${TABLE} received-ipv4-24 { type ipv4_addr; counter; }
add set inet ${TABLE} sent-ipv4-24 { type ipv4_addr; counter; }
add rule inet ${TABLE} received iifname "flannel.1" ip saddr & 255.255.255.0 @received-ipv4-24 comment "received-ipv4-24 on flannel.1"
add rule inet ${TABLE} sent oifname "flannel.1" ip daddr & 255.255.255.0 @sent-ipv4-24 comment "sent-ipv4-24 on flannel.1"
add element inet ${TABLE} received-ipv4-24 { 10.5.1.0, 10.5.2.0 }
add element inet ${TABLE} sent-ipv4-24 { 10.5.1.0, 10.5.2.0 }
`,
    );
  });

  it("touches nothing but the elements of the peers that come and go", () => {
    const { then } = planTraffic(TABLE, ONE, null);
    assert.equal(
      planTraffic(TABLE, countedSubnets("10.5.2.0/24", "10.5.3.0/24"), then).script,
      ["received", "sent"]
        .flatMap((direction) => [
          `delete element inet ${TABLE} ${direction}-ipv4-24 { 10.5.1.0 }\n`,
          `add element inet ${TABLE} ${direction}-ipv4-24 { 10.5.3.0 }\n`,
        ])
        .join(""),
    );
    assert.equal(planTraffic(TABLE, ONE, then).script, "");
  });

  it("deletes nothing on incomplete knowledge, and adds all the same", () => {
    const { then } = planTraffic(TABLE, ONE, null);
    const partial = { ...countedSubnets("10.5.7.0/24"), complete: false };
    const plan = planTraffic(TABLE, partial, then);
    assert.doesNotMatch(plan.script, /delete|flush/);
    assert.match(plan.script, /^add element .* \{ 10\.5\.7\.0 \}$/m);
    assert.deepEqual([...(plan.then.sets.get("sent-ipv4-24") ?? [])], [...ONE.subnets, "10.5.7.0/24" as Prefix]);
    const nothing = { devices: [], subnets: [], complete: false };
    assert.equal(planTraffic(TABLE, nothing, then).script, "");
  });

  it("has other rules for other devices, and keeps the elements", () => {
    const { then } = planTraffic(TABLE, ONE, null);
    const { script } = planTraffic(TABLE, { ...ONE, devices: ["flannel.1", "eth0"] }, then);
    assert.doesNotMatch(script, /element|set/);
    assert.match(script, /^flush chain .* sent\nadd rule .* sent oifname \{ "eth0", "flannel\.1" \} ip daddr/m);
  });

  it("has a set for each length and family, and removes one that is left empty", () => {
    const mixed = countedSubnets("10.5.1.0/24", "10.5.9.0/26", "fd00:5:0:1::/64");
    const { then, script } = planTraffic(TABLE, mixed, null);
    assert.match(script, /received iifname "flannel\.1" ip6 saddr & ffff:ffff:ffff:ffff:: @received-ipv6-64/);
    const after = planTraffic(TABLE, countedSubnets("10.5.1.0/24"), then).script;
    const deleted = after.split("\n").filter((line) => line.startsWith("delete set"));
    assert.equal(deleted.length, 4);
    assert.ok(after.indexOf("delete set") > after.indexOf("flush chain"), "no rule needs it by then");
  });
});
