// What the checks of the firewall make of rules that have less to do with the overlay than it seems.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBackend } from "../../../src/backends/registry.ts";
import type { Family } from "../../../src/base/ip.ts";
import { runChecks } from "../../../src/check/checks.ts";
import { type Facts, known, type RuleFacts } from "../../../src/check/facts.ts";
import { finding } from "../../support/findings.ts";
import { wellFacts } from "../../support/well-facts.ts";

const nft = (...items: readonly object[]) => ({
  rules: known({ iptables: {}, nftables: JSON.stringify({ nftables: items }) }),
});
const filter = (text: string) => ({
  rules: known({ iptables: { iptables: `*filter\n${text}\nCOMMIT\n` }, nftables: null }),
});
const FW = { family: "inet", table: "fw" };
/** Its name is that of the hook. */
const base = (hook: string, policy = "accept", family = "inet") => ({
  chain: { family, table: "fw", name: hook, handle: 1, type: "filter", hook, prio: 0, policy },
});
const drop = (chain: string, match: object, family = "inet") => ({
  rule: { family, table: "fw", chain, handle: 7, expr: [{ match }, { drop: null }] },
});
const port = (protocol: string, field: string, op: string, right: number) => ({
  op,
  left: { payload: { protocol, field } },
  right,
});

describe("a check of the firewall", () => {
  it("does not take frames for packets: tables of bridge and arp have hooks of the same names", () => {
    for (const family of ["bridge", "arp"]) {
      const hooks = ["input", "forward", "prerouting", "output", "postrouting"];
      const shut = hooks.map((hook) => base(hook, "drop", family));
      const rules = nft(...shut, drop("input", port("udp", "dport", "==", 8472), family));
      for (const name of ["forward-rules", "input-rules"])
        assert.equal(finding(name, rules).verdict, "ok", `${name} ${family}`);
    }
  });

  it("leaves a rule alone that does not name the port", () => {
    for (const field of ["dport", "sport"]) {
      const ssh = nft(base("input"), drop("input", port("tcp", field, "!=", 22)));
      assert.equal(finding("input-rules", ssh).verdict, "ok");
    }
    assert.equal(finding("input-rules", filter("-A INPUT -i eth1 -p tcp -m tcp --dport 8472 -j DROP")).verdict, "ok");
    const rest = finding("input-rules", nft(base("input"), drop("input", port("udp", "dport", "!=", 53))));
    assert.match(rest.sentence, /is not let in: the nftables chain inet fw input drops all that it does not know/);
    assert.equal(rest.remedy, "nft insert rule inet fw input udp dport 8472 accept");
  });

  it("warns of a drop for some packets only in chains that a datagram of the port comes to", () => {
    const toPort = drop("zone", port("udp", "dport", "==", 8472));
    const verdict = (...items: readonly object[]) =>
      finding("input-rules", nft(base("input"), base("forward"), { chain: { ...FW, name: "zone" } }, ...items)).verdict;
    const lead = (chain: string, ...expr: readonly object[]) => ({ rule: { ...FW, chain, handle: 8, expr } });
    const mark = { match: { op: "==", left: { meta: { key: "mark" } }, right: 1 } };
    const jump = { jump: { target: "zone" } };
    assert.equal(verdict(toPort), "ok");
    assert.equal(verdict(toPort, lead("forward", mark, jump)), "ok");
    assert.equal(verdict(toPort, lead("input", mark, jump)), "warn");
    assert.equal(verdict(toPort, lead("input", mark, { vmap: { key: {}, data: "@zones" } })), "warn");
    const between = [{ chain: { ...FW, name: "all" } }, lead("input", mark, { goto: { target: "all" } })];
    assert.equal(verdict(toPort, ...between, lead("all", jump)), "warn");
    assert.equal(verdict(toPort, ...between, lead("all", { jump: { target: "all" } })), "ok");
    assert.equal(verdict(lead("forward", mark, ...toPort.rule.expr)), "ok");
    assert.equal(verdict(lead("input", mark, ...toPort.rule.expr)), "warn");
    const chains = ":INPUT ACCEPT [0:0]\n:USER - [0:0]";
    const rule = "-A USER -i eth1 -p udp -m udp --dport 8472 -j DROP";
    assert.equal(finding("input-rules", filter(`${chains}\n${rule}`)).verdict, "ok");
    assert.equal(finding("input-rules", filter(`${chains}\n-A INPUT -j USER\n${rule}`)).verdict, "warn");
  });

  it("takes it for the operator's wish that pods are forwarded where a rule accepts TCP or UDP as such", () => {
    const verdict = (...protocols: readonly string[]) => {
      const match = { op: "==", left: { meta: { key: "l4proto" } }, right: { set: protocols } };
      const rule = { ...drop("forward", match).rule, expr: [{ match }, { accept: null }] };
      return finding("forward-rules", nft(base("forward", "drop"), { rule })).verdict;
    };
    assert.equal(verdict("tcp", "udp", "icmp"), "ok");
    assert.equal(verdict("tcp", "sctp"), "ok");
    assert.equal(verdict("icmp", "ipv6-icmp"), "fail");
  });

  it("goes by the datagrams that the backend sends: those of udp are of one family, whatever is in them", () => {
    const udp = { backends: [{ backend: createBackend({ type: "udp", options: {} }), port: 8285 }] };
    const verdict = (families: readonly Family[], table: string, backend: Partial<Facts> = {}) =>
      finding("input-rules", { families, ...backend, ...nft(base("input", "drop", table)) }).verdict;
    const dual = ["ipv4", "ipv6"] as const;
    assert.equal(verdict(dual, "ip6", udp), "ok");
    assert.equal(verdict(dual, "ip", udp), "fail");
    assert.equal(verdict(["ipv6"], "ip6", udp), "fail");
    assert.equal(verdict(dual, "ip6"), "fail");
    const some = drop("input", port("udp", "dport", "==", 8285), "ip6");
    const eth1 = { match: { op: "==", left: { meta: { key: "iifname" } }, right: "eth1" } };
    const partial = { rule: { ...some.rule, expr: [eth1, ...some.rule.expr] } };
    assert.equal(
      finding("input-rules", { families: dual, ...udp, ...nft(base("input", "accept", "ip6"), partial) }).verdict,
      "ok",
    );
  });

  it("reads each tool's rules once, whoever asks", () => {
    const read: string[] = [];
    const value: RuleFacts = {
      get iptables() {
        read.push("iptables");
        return { iptables: "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n" };
      },
      get nftables() {
        read.push("nft");
        return "{}";
      },
    };
    const facts = wellFacts({ rules: known(value) });
    for (const name of ["forward-rules", "input-rules"])
      assert.equal(runChecks(facts).find((one) => one.name === name)?.verdict, "ok");
    assert.deepEqual(read, ["iptables", "nft"]);
  });
});
