// The rules in the kernel, by nft.

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import type { Family } from "../../src/base/ip.ts";
import { nftAccepts, nftPlace } from "../../src/firewall/place.ts";
import { NO_RULES, type Rule, type RuleSet } from "../../src/firewall/rule.ts";
import { runTool } from "../../src/firewall/tool.ts";
import { isOurs } from "../support/firewall.ts";
import { CHANGED, sh, UNCHANGED, WANT, WANT6 } from "../support/kernel-rules.ts";
import { whyNotHere } from "../support/namespace.ts";

const { signal } = new AbortController();
const deps = { runTool, clock: systemClock };
const FORWARD_RULE: Rule = { mark: null, source: null, destination: null, verdict: "accept" };

describe("the firewall with nft", { skip: whyNotHere() }, () => {
  const families: readonly (readonly [Family, string, RuleSet])[] = [
    ["ipv4", "ip flannel-ipv4", WANT],
    ["ipv6", "ip6 flannel-ipv6", WANT6],
  ];
  beforeEach(() => void sh("nft flush ruleset"));
  const settle = (want: RuleSet, family: Family = "ipv4") =>
    nftPlace(family, deps).settle(want, family === "ipv4" ? isOurs : () => true, signal);

  for (const [family, table, want] of families) {
    it(`makes the table ${table}, and has nothing to do the second time`, async () => {
      assert.deepEqual(await settle(want, family), CHANGED);
      assert.equal(sh("nft list tables"), `table ${table}\n`);
      assert.deepEqual(await settle(want, family), UNCHANGED);
      assert.deepEqual(await settle(NO_RULES, family), CHANGED);
      assert.equal(sh("nft list tables"), "");
      assert.deepEqual(await settle(NO_RULES, family), UNCHANGED);
    });
  }

  it("lists as the Go daemon's does, except for the mark and the fourth rule", async () => {
    await settle(WANT);
    const lines = sh("nft list chain ip flannel-ipv4 postrtg")
      .split("\n")
      .map((line) => line.trim());
    assert.deepEqual(lines.slice(1, -3), [
      "chain postrtg {",
      'comment "chain to manage traffic masquerading by flannel"',
      "type nat hook postrouting priority srcnat; policy accept;",
      "meta mark & 0x00004000 == 0x00004000 return",
      "ip saddr 10.5.7.0/24 ip daddr 10.5.0.0/16 return",
      "ip saddr 10.5.0.0/16 ip daddr 10.5.7.0/24 return",
      "ip saddr != 10.5.0.0/16 ip daddr 10.5.7.0/24 return",
      "ip saddr 10.5.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random",
      "ip saddr != 10.5.0.0/16 ip daddr 10.5.0.0/16 masquerade fully-random",
    ]);
  });

  it("replaces a Go daemon's table", async () => {
    sh(`nft -f - <<'END'
table ip flannel-ipv4 {
  comment "rules for flannel-ipv4"
  chain forward { type filter hook forward priority 0; policy accept; ip saddr 10.5.0.0/16 accept; }
  chain postrtg {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark 0x00004000 return
    ip saddr != 10.5.99.0/24 ip daddr 10.5.0.0/16 return
  }
}
END`);
    assert.deepEqual(await settle(WANT), CHANGED);
    assert.doesNotMatch(sh("nft list table ip flannel-ipv4"), /10\.5\.99\./);
    assert.deepEqual(await settle(WANT), UNCHANGED);
  });

  it("puts back what is flushed or changed, and leaves other tables alone", async () => {
    sh("nft add table inet firewalld; nft add chain inet firewalld filter_FORWARD");
    await settle(WANT);
    const tamperings = [
      "nft delete table ip flannel-ipv4",
      "nft flush chain ip flannel-ipv4 postrtg",
      "nft insert rule ip flannel-ipv4 forward drop",
      "nft add chain ip flannel-ipv4 other",
    ];
    for (const tampering of tamperings) {
      sh(tampering);
      assert.deepEqual(await settle(WANT), CHANGED, tampering);
      assert.deepEqual(await settle(WANT), UNCHANGED, tampering);
    }
    assert.match(sh("nft list ruleset"), /table inet firewalld \{\n\tchain filter_FORWARD/);
  });

  it("tells whether the kernel accepts rules, and leaves no trace of the question", async () => {
    assert.equal(await nftAccepts("ipv4", WANT, deps, signal), true);
    const wrong: RuleSet = {
      masquerade: [],
      forward: [{ ...FORWARD_RULE, source: { prefix: "no-such-name" as never, negated: false } }],
    };
    assert.equal(await nftAccepts("ipv4", wrong, deps, signal), false);
    assert.equal(sh("nft list ruleset"), "");
  });
});
