// What a check makes of nft rules whose port is in a set or a map. All items are as nft 1.0.6 has listed them.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { known } from "../../../src/check/facts.ts";
import { checkInputRules } from "../../../src/check/firewall-checks.ts";
import { smallSetsOf } from "../../../src/check/nft-rules.ts";
import { wellFacts } from "../../support/well-facts.ts";

const SETS = `
{"set": {"family": "inet", "name": "blocked", "table": "fw", "type": "inet_service", "handle": 3, "flags": ["interval"], "elem": [53, {"range": [8000, 9000]}]}}
{"set": {"family": "inet", "name": "timed", "table": "fw", "type": "inet_service", "handle": 4, "flags": ["timeout"], "elem": [53, {"elem": {"val": 8472, "timeout": 3600, "expires": 3599}}]}}
{"set": {"family": "inet", "name": "noted", "table": "fw", "type": "inet_service", "handle": 5, "elem": [{"elem": {"val": 8472, "comment": "vxlan"}}]}}
{"set": {"family": "inet", "name": "hosts", "table": "fw", "type": "ipv4_addr", "handle": 6, "flags": ["interval"], "elem": [{"range": ["10.0.0.1", "10.0.0.9"]}, {"prefix": {"addr": "192.168.77.0", "len": 24}}]}}
{"set": {"family": "inet", "name": "pairs", "table": "fw", "type": ["ipv4_addr", "inet_service"], "handle": 7, "elem": [{"concat": ["192.168.77.12", 8472]}]}}
{"set": {"family": "inet", "name": "devs", "table": "fw", "type": "ifname", "handle": 8, "elem": ["lo", "eth0"]}}
{"set": {"family": "inet", "name": "empty", "table": "fw", "type": "inet_service", "handle": 9}}
{"map": {"family": "inet", "name": "verdicts", "table": "fw", "type": "inet_service", "handle": 10, "map": "verdict", "elem": [[53, {"accept": null}], [8472, {"drop": null}]]}}
`;
const CHAINS = `
{"chain": {"family": "inet", "table": "fw", "name": "zone", "handle": 1}}
{"rule": {"family": "inet", "table": "fw", "chain": "zone", "handle": 11, "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 8472}}, {"drop": null}]}}
{"chain": {"family": "inet", "table": "fw", "name": "open", "handle": 12}}
{"chain": {"family": "inet", "table": "fw", "name": "input", "handle": 2, "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}}
`;

/** By how it was written. */
const EXPRESSIONS = {
  "udp dport { 8472, 53 } drop": `[{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": {"set": [53, 8472]}}}, {"drop": null}]`,
  "udp dport { 53, 8000-9000 } drop": `[{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": {"set": [53, {"range": [8000, 9000]}]}}}, {"drop": null}]`,
  "udp dport 8000-9000 drop": `[{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": {"range": [8000, 9000]}}}, {"drop": null}]`,
  "th dport { 8472 } drop": `[{"match": {"op": "==", "left": {"payload": {"protocol": "th", "field": "dport"}}, "right": 8472}}, {"drop": null}]`,
  "udp dport @blocked drop": `[{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": "@blocked"}}, {"drop": null}]`,
  "udp dport @timed counter drop": `[{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": "@timed"}}, {"counter": {"packets": 0, "bytes": 0}}, {"drop": null}]`,
  "udp dport @noted drop": `[{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": "@noted"}}, {"drop": null}]`,
  "udp dport != @blocked drop": `[{"match": {"op": "!=", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": "@blocked"}}, {"drop": null}]`,
  "udp dport @empty drop": `[{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": "@empty"}}, {"drop": null}]`,
  "ip saddr @hosts udp dport 8472 drop": `[{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@hosts"}}, {"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 8472}}, {"drop": null}]`,
  "iifname @devs drop": `[{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "@devs"}}, {"drop": null}]`,
  "ip saddr . udp dport @pairs drop": `[{"match": {"op": "==", "left": {"concat": [{"payload": {"protocol": "ip", "field": "saddr"}}, {"payload": {"protocol": "udp", "field": "dport"}}]}, "right": "@pairs"}}, {"drop": null}]`,
  "meta l4proto . th dport { udp . 8472, tcp . 22 } drop": `[{"match": {"op": "==", "left": {"concat": [{"meta": {"key": "l4proto"}}, {"payload": {"protocol": "th", "field": "dport"}}]}, "right": {"set": [{"concat": ["tcp", 22]}, {"concat": ["udp", 8472]}]}}}, {"drop": null}]`,
  "ip saddr . udp dport vmap { 192.168.77.12 . 8472 : drop }": `[{"vmap": {"key": {"concat": [{"payload": {"protocol": "ip", "field": "saddr"}}, {"payload": {"protocol": "udp", "field": "dport"}}]}, "data": {"set": [[{"concat": ["192.168.77.12", 8472]}, {"drop": null}]]}}}]`,
  "udp dport vmap { 53 : accept, 8472 : drop }": `[{"vmap": {"key": {"payload": {"protocol": "udp", "field": "dport"}}, "data": {"set": [[53, {"accept": null}], [8472, {"drop": null}]]}}}]`,
  "udp dport vmap @verdicts": `[{"vmap": {"key": {"payload": {"protocol": "udp", "field": "dport"}}, "data": "@verdicts"}}]`,
  "ct state vmap { established : accept, related : accept, invalid : drop }": `[{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["invalid", {"drop": null}], ["established", {"accept": null}], ["related", {"accept": null}]]}}}]`,
  "iifname vmap { lo : accept, eth0 : jump zone, * : drop }": `[{"vmap": {"key": {"meta": {"key": "iifname"}}, "data": {"set": [["lo", {"accept": null}], ["eth0", {"jump": {"target": "zone"}}], ["*", {"drop": null}]]}}}]`,
  "iifname vmap { lo : accept, eth1 : jump zone, * : drop }": `[{"vmap": {"key": {"meta": {"key": "iifname"}}, "data": {"set": [["lo", {"accept": null}], ["eth1", {"jump": {"target": "zone"}}], ["*", {"drop": null}]]}}}]`,
  "iifname vmap { lo : accept, eth0 : jump open, * : drop }": `[{"vmap": {"key": {"meta": {"key": "iifname"}}, "data": {"set": [["lo", {"accept": null}], ["eth0", {"jump": {"target": "open"}}], ["*", {"drop": null}]]}}}]`,
  "udp dport 8472 accept": `[{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 8472}}, {"accept": null}]`,
} as const;
type Written = keyof typeof EXPRESSIONS;

const linesOf = (text: string): readonly object[] =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);

function listing(rules: readonly Written[], policy: string, sets = SETS): string {
  const listed = rules.map((written, index) => {
    const expr: unknown = JSON.parse(EXPRESSIONS[written]);
    return { rule: { family: "inet", table: "fw", chain: "input", handle: 20 + index, expr } };
  });
  const chains = linesOf(CHAINS.replace('"policy": "accept"', `"policy": "${policy}"`));
  return JSON.stringify({ nftables: [...(sets === "" ? [] : linesOf(sets)), ...chains, ...listed] });
}

function told(rules: readonly Written[], { policy = "accept", sets = SETS } = {}) {
  return checkInputRules(wellFacts({ rules: known({ iptables: {}, nftables: listing(rules, policy, sets) }) }));
}

const INSERT = "nft insert rule inet fw input udp dport 8472 accept";

describe("a rule of nft with a set", () => {
  it("drops the port that is in it, and is kept for the others", () => {
    for (const written of [
      "udp dport { 8472, 53 } drop",
      "udp dport { 53, 8000-9000 } drop",
      "udp dport 8000-9000 drop",
      "udp dport @blocked drop",
      "udp dport @timed counter drop",
    ] as const) {
      const { verdict, sentence, remedy } = told([written]);
      assert.equal(verdict, "fail", written);
      assert.match(sentence, /^UDP port 8472.* is dropped here: nftables inet fw input$/, written);
      assert.equal(remedy, INSERT, written);
      assert.equal(told(["udp dport 8472 accept", written]).verdict, "ok", written);
    }
  });

  it("is taken away when it is for no other port", () => {
    for (const written of ["udp dport @noted drop", "th dport { 8472 } drop"] as const) {
      const { verdict, remedy } = told([written]);
      assert.deepEqual([verdict, remedy], ["fail", "nft delete rule inet fw input handle 20"], written);
    }
  });

  it("is not of the port when that is not in it", () => {
    assert.equal(told(["udp dport != @blocked drop"]).verdict, "ok");
    assert.equal(told(["udp dport @empty drop"]).verdict, "ok");
  });

  it("is of some packets when the set is of addresses or of pairs", () => {
    for (const written of [
      "ip saddr @hosts udp dport 8472 drop",
      "ip saddr . udp dport @pairs drop",
      "meta l4proto . th dport { udp . 8472, tcp . 22 } drop",
    ] as const) {
      const { verdict, sentence, remedy, command } = told([written]);
      assert.equal(verdict, "warn", written);
      assert.match(sentence, /is dropped here for some packets: nftables inet fw input$/);
      assert.match(remedy ?? "", /^see whether handle 20 there \(nft -a list chain inet fw input\) keeps hosts/);
      assert.equal(command, null, "nobody but a person knows whether it may go");
    }
    assert.equal(told(["ip saddr . udp dport @pairs drop"], { policy: "drop" }).verdict, "fail");
  });

  it("may be for any port as long as nobody knows what is in it", () => {
    assert.equal(told(["udp dport @blocked drop"], { sets: "" }).verdict, "ok");
    // It may lead to any chain.
    assert.match(told(["udp dport vmap @verdicts"], { sets: "" }).sentence, /for some packets: nftables inet fw zone$/);
  });

  it("drops what comes by an interface that is in it", () => {
    assert.match(told(["iifname @devs drop"]).sentence, /is not let in: the nftables chain inet fw input drops all/);
  });
});

describe("a verdict map of nft", () => {
  it("is followed by its entries", () => {
    for (const written of ["udp dport vmap { 53 : accept, 8472 : drop }", "udp dport vmap @verdicts"] as const) {
      const { verdict, sentence, remedy } = told([written]);
      assert.equal(verdict, "fail", written);
      assert.match(sentence, /is dropped here: nftables inet fw input$/);
      assert.equal(remedy, INSERT, "the whole map is not taken away");
    }
    const pair = told(["ip saddr . udp dport vmap { 192.168.77.12 . 8472 : drop }"]);
    assert.deepEqual([pair.verdict, pair.command], ["warn", null]);
  });

  it("is not followed when it is one of a program, with very many entries", () => {
    const others = (count: number) => Array.from({ length: count }, (_, index) => [10_000 + index, { accept: null }]);
    const sentence = (count: number) => {
      const elem = [...others(count - 1), [8472, { drop: null }]];
      const map = {
        family: "inet",
        name: "verdicts",
        table: "fw",
        type: "inet_service",
        handle: 10,
        map: "verdict",
        elem,
      };
      return told(["udp dport vmap @verdicts"], { sets: JSON.stringify({ map }) }).sentence;
    };
    assert.match(sentence(256), /is dropped here: nftables inet fw input$/);
    assert.match(sentence(257), /for some packets: nftables inet fw zone$/, "it may lead to any chain");
  });

  it("of states lets no new connection in", () => {
    const states = "ct state vmap { established : accept, related : accept, invalid : drop }";
    assert.match(told([states], { policy: "drop" }).sentence, /policy of the nftables chain inet fw input is drop/);
    assert.equal(told([states, "udp dport 8472 accept"], { policy: "drop" }).verdict, "ok");
  });

  it("has an entry for all others, which is for none of these", () => {
    const own = told(["iifname vmap { lo : accept, eth0 : jump zone, * : drop }"]);
    assert.match(own.sentence, /is dropped here: nftables inet fw zone$/);
    assert.equal(told(["iifname vmap { lo : accept, eth0 : jump open, * : drop }"]).verdict, "ok");
    const other = told(["iifname vmap { lo : accept, eth1 : jump zone, * : drop }"]);
    assert.match(other.sentence, /is not let in: the nftables chain inet fw input drops all/);
  });
});

describe("the sets that a daemon asks for by their names", () => {
  it("are those of ports and interfaces", () => {
    const written = Object.keys(EXPRESSIONS) as Written[];
    assert.deepEqual(smallSetsOf(listing(written, "accept", "")), [
      ...["blocked", "timed", "noted", "empty", "devs"].map((name) => ["set", "inet", "fw", name]),
      ["map", "inet", "fw", "verdicts"],
    ]);
  });
});
