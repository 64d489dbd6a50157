import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { readRuleGeneration } from "../../src/netlink/rule-generation.ts";
import { type RuleHint, ruleHintsOf, watchRules } from "../../src/netlink/rule-hints.ts";
import { hearHints } from "../support/heard-hints.ts";
import { whyNotHere } from "../support/namespace.ts";
import { openNative } from "../support/native.ts";

const { signal } = new AbortController();

describe("hints about rules", { skip: whyNotHere() }, () => {
  const heard = hearHints((until) => watchRules(openNative(), until));

  const has = (wanted: RuleHint) => {
    const isIt = ({ table, chain }: RuleHint) => table === wanted.table && chain === wanted.chain;
    return waitFor(JSON.stringify(wanted), () => (heard.some(isIt) ? true : null), seconds(10), signal);
  };

  const changes: readonly (readonly [string, RuleHint])[] = [
    ["nft add table ip flannel-ipv4", { table: "flannel-ipv4", chain: null }],
    ["nft add chain ip flannel-ipv4 forward", { table: "flannel-ipv4", chain: "forward" }],
    ["nft add rule ip flannel-ipv4 forward accept", { table: "flannel-ipv4", chain: "forward" }],
    ["nft flush chain ip flannel-ipv4 forward", { table: "flannel-ipv4", chain: "forward" }],
    [
      "nft 'add set ip flannel-ipv4 s { type ipv4_addr; elements = { 10.5.1.0, 10.5.2.0 }; }'; nft delete element ip flannel-ipv4 s '{ 10.5.1.0 }'",
      { table: "flannel-ipv4", chain: "" },
    ],
    ["nft flush set ip flannel-ipv4 s", { table: "flannel-ipv4", chain: "" }],
    ["nft delete set ip flannel-ipv4 s", { table: "flannel-ipv4", chain: "" }],
    ["nft delete table ip flannel-ipv4", { table: "flannel-ipv4", chain: null }],
    ["iptables-nft -A FORWARD -j ACCEPT", { table: "filter", chain: "FORWARD" }],
    ["iptables-nft -F FORWARD", { table: "filter", chain: "FORWARD" }],
    ["iptables-nft -t nat -N FLANNEL-POSTRTG", { table: "nat", chain: "FLANNEL-POSTRTG" }],
    ["nft flush ruleset", { table: "nat", chain: null }],
  ];
  for (const [command, hint] of changes) {
    it(`come after ${command}, which makes another generation`, async () => {
      const before = readRuleGeneration(openNative());
      heard.forget();
      execFileSync("sh", ["-c", command]);
      await has(hint);
      assert.notEqual(readRuleGeneration(openNative()), before);
    });
  }

  it("do not come, nor another generation, when rules are read", () => {
    const before = readRuleGeneration(openNative());
    assert.equal(typeof before, "number");
    execFileSync("sh", ["-c", "nft list ruleset; iptables-nft-save; iptables-nft -S"]);
    assert.equal(readRuleGeneration(openNative()), before);
  });

  it("are about everything when they cannot be read", () => {
    assert.deepEqual(ruleHintsOf(Buffer.from([255, 255, 255, 255])), [{ table: null, chain: null }]);
  });
});
