// What the checks of the firewall say of rules that drop what the overlay needs.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import type { Prefix4 } from "../../../src/base/ip.ts";
import { known, unknown } from "../../../src/check/facts.ts";
import type { LinkName } from "../../../src/net/objects.ts";
import { DUAL_NETWORK } from "../../support/dual-stack.ts";
import { expectAll, finding } from "../../support/findings.ts";
import { wellFacts } from "../../support/well-facts.ts";

const rules = (iptables: Readonly<Record<string, string>>, items: readonly object[] = []) => ({
  rules: known({ iptables, nftables: JSON.stringify({ nftables: items }) }),
});
const filter = (text: string) => rules({ iptables: `*filter\n${text}\nCOMMIT\n` });
const chain = (hook: string, policy: string) => ({
  chain: { family: "inet", table: "fw", name: "c", handle: 1, type: "filter", hook, prio: 0, policy },
});
const rule = (...expr: readonly object[]) => ({ rule: { family: "inet", table: "fw", chain: "c", handle: 7, expr } });
const dport = (right: unknown, op = "==") => ({
  match: { op, left: { payload: { protocol: "udp", field: "dport" } }, right },
});

const nftables = (items: readonly object[]) => rules({}, items);
const DROP = { drop: null };

/** The words that iptables gets of a shell. */
function shellWords(command: string): readonly string[] {
  const script = `iptables() { printf '%s\\0' "$@"; }; ${command}`;
  return execFileSync("sh", ["-c", script], { encoding: "utf8" }).split("\0").slice(0, -1);
}

describe("a check of the firewall", () => {
  it("tells a policy that drops what is forwarded, unless a rule accepts it", () => {
    const shut = ":FORWARD DROP [0:0]";
    expectAll([
      ["forward-rules", "fail", /is DROP in iptables, and no rule accepts .* packets \(flanneld adds/, filter(shut)],
      // Which have none of flanneld's.
      [
        "forward-rules",
        "fail",
        /is DROP in iptables-legacy, and no rule accepts the overlay's packets$/,
        rules({
          iptables: "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n",
          "iptables-legacy": `*filter\n${shut}\nCOMMIT\n`,
        }),
      ],
      [
        "forward-rules",
        "ok",
        /not dropped/,
        filter(`${shut}\n-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD`),
      ],
      ["forward-rules", "ok", /not dropped/, filter(`${shut}\n-A FORWARD -s 10.5.0.0/16 -j ACCEPT`)],
      ["forward-rules", "fail", /no rule accepts/, filter(`${shut}\n-A FORWARD -s 10.6.0.0/16 -j ACCEPT`)],
      ["forward-rules", "ok", /not dropped/, filter(":FORWARD ACCEPT [0:0]")],
      [
        "forward-rules",
        "fail",
        /nftables chain inet fw c drops what is forwarded/,
        rules({}, [chain("forward", "drop")]),
      ],
      ["forward-rules", "ok", /not dropped/, rules({}, [chain("forward", "drop"), rule({ accept: null })])],
      ["forward-rules", "skip", /only root/, { rules: unknown("only root") }],
    ]);
  });

  it("tells what drops forwarded packets before or behind the forward hook, and accepts them there", () => {
    const raw = (line: string) => rules({ iptables: `*raw\n:PREROUTING ACCEPT [0:0]\n${line}\nCOMMIT\n` });
    expectAll([
      [
        "forward-rules",
        "fail",
        /: iptables -t raw -A PREROUTING -i flannel.1 -j DROP$/,
        raw("-A PREROUTING -i flannel.1 -j DROP"),
      ],
      ["forward-rules", "fail", /a rule drops/, raw("-A PREROUTING -s 10.5.0.0/16 -j DROP")],
      // As Docker has it for a container of its own.
      ["forward-rules", "ok", /not dropped/, raw("-A PREROUTING -d 10.5.1.2/32 ! -i docker0 -j DROP")],
      ["forward-rules", "ok", /not dropped/, raw("-A PREROUTING -s 10.9.0.0/16 -i flannel.1 -j DROP")],
      ["forward-rules", "fail", /chain inet fw c drops what is forwarded/, nftables([chain("postrouting", "drop")])],
      [
        "forward-rules",
        "fail",
        /^the policy of PREROUTING is DROP in iptables, and no rule accepts the overlay's packets$/,
        rules({ iptables: "*raw\n:PREROUTING DROP [0:0]\nCOMMIT\n" }),
      ],
    ]);
    assert.equal(
      finding("forward-rules", raw("-A PREROUTING -i flannel.1 -j DROP")).command,
      "iptables -t raw -I PREROUTING -s 10.5.0.0/16 -j ACCEPT; iptables -t raw -I PREROUTING -d 10.5.0.0/16 -j ACCEPT",
    );
  });

  it("tells what ip6tables drops of pods that have both families", () => {
    const dual = {
      families: ["ipv4", "ipv6"] as const,
      network6: DUAL_NETWORK.ipv6,
      routes: [...wellFacts().routes, { dst: "10.5.1.0/24" as Prefix4, dev: "cni0" as LinkName }],
    };
    const from = (dev: string) =>
      rules({ ip6tables: `*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i ${dev} -j DROP\nCOMMIT\n` });
    expectAll([
      ["forward-rules", "fail", /: ip6tables -t filter -A FORWARD -i cni0 -j DROP$/, { ...dual, ...from("cni0") }],
      ["forward-rules", "ok", /not dropped/, { ...dual, ...from("docker0") }],
      ["forward-rules", "ok", /not dropped/, from("cni0")],
    ]);
    const { command } = finding("forward-rules", { ...dual, ...from("cni0") });
    assert.equal(
      command,
      "ip6tables -I FORWARD -s fd00:5::/48 -j ACCEPT; ip6tables -I FORWARD -d fd00:5::/48 -j ACCEPT",
    );
  });

  it("tells a rule or a policy that drops the port, and how to take it away", () => {
    const drop = "-A INPUT -p udp -m udp --dport 8472 -j DROP";
    expectAll([
      [
        "input-rules",
        "fail",
        /UDP port 8472.*is dropped here: iptables -t filter -A INPUT/,
        filter(`:INPUT ACCEPT [0:0]\n${drop}`),
      ],
      ["input-rules", "ok", /no rule here/, filter(":INPUT ACCEPT [0:0]\n-A INPUT -p udp -m udp --dport 53 -j DROP")],
      [
        "input-rules",
        "fail",
        /not let in: the policy of INPUT is DROP/,
        filter(":INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"),
      ],
      [
        "input-rules",
        "ok",
        /no rule here/,
        filter(":INPUT DROP [0:0]\n-A INPUT -p udp -m udp --dport 8000:9000 -j ACCEPT"),
      ],
      [
        "input-rules",
        "fail",
        /dropped here: nftables inet fw c/,
        rules({}, [chain("input", "accept"), rule(dport(8472), { drop: null })]),
      ],
      [
        "input-rules",
        "fail",
        /dropped here/,
        rules({}, [chain("prerouting", "accept"), rule(dport({ set: [53, { range: [8000, 9000] }] }), { drop: null })]),
      ],
      [
        "input-rules",
        "ok",
        /no rule here/,
        rules({}, [chain("input", "accept"), rule(dport(8472, "!="), { drop: null })]),
      ],
      ["input-rules", "fail", /policy of the nftables chain inet fw c is drop/, rules({}, [chain("input", "drop")])],
      ["input-rules", "ok", /no rule here/, rules({}, [chain("input", "drop"), rule(dport(8472), { accept: null })])],
    ]);
    assert.equal(
      finding("input-rules", filter(`:INPUT ACCEPT [0:0]\n${drop}`)).remedy,
      `iptables -t filter ${drop.replace("-A", "-D")}`,
    );
    const nft = rules({}, [chain("input", "accept"), rule(dport(8472), { drop: null })]);
    assert.equal(finding("input-rules", nft).remedy, "nft delete rule inet fw c handle 7");
  });

  it("warns of a port that is dropped for some packets: whoever lets only its hosts in has such a rule", () => {
    const drop = "-p udp -m udp --dport 8472 -j DROP";
    const port = (...more: readonly object[]) => rule(...more, dport(8472), { drop: null });
    const eth1 = { match: { op: "==", left: { meta: { key: "iifname" } }, right: "eth1" } };
    const saddr = {
      match: { op: "==", left: { payload: { protocol: "ip", field: "saddr" } }, right: "192.168.77.12" },
    };
    const some = /is dropped here for some packets: /;
    expectAll([
      ["input-rules", "warn", some, filter(`-A INPUT ! -s 10.0.0.0/8 ${drop}`)],
      ["input-rules", "warn", some, filter(`-A INPUT -i eth1 ${drop}`)],
      [
        "input-rules",
        "warn",
        some,
        filter(`-A INPUT -s 10.0.0.0/8 -p udp -m udp --dport 8472 -j ACCEPT\n-A INPUT ${drop}`),
      ],
      [
        "input-rules",
        "fail",
        /is dropped here: .*-A PREROUTING/,
        filter(`-A INPUT -i eth1 ${drop}\n-A PREROUTING ${drop}`),
      ],
      [
        "input-rules",
        "fail",
        /is dropped here: /,
        filter(`-A INPUT -p udp -m multiport --dports 53,8472 -m comment --comment "no overlay" -j DROP`),
      ],
      ["input-rules", "warn", some, rules({}, [chain("input", "accept"), port(eth1)])],
      [
        "input-rules",
        "warn",
        some,
        rules({}, [chain("input", "accept"), rule(saddr, dport(8472), { accept: null }), port()]),
      ],
    ]);
  });

  it("takes no rule away that drops the port for some packets only, and may be right", () => {
    const drop = "-A INPUT -p udp -m udp --dport 8472 -j DROP";
    const hosts = { match: { op: "==", left: { payload: { protocol: "ip", field: "saddr" } }, right: "@hosts" } };
    for (const kept of [
      filter(drop.replace("INPUT", "INPUT ! -s 192.168.77.0/24")),
      filter(`-A INPUT -s 192.168.77.0/24 -p udp -m udp --dport 8472 -j ACCEPT\n${drop}`),
      nftables([chain("input", "accept"), rule(hosts, dport(8472), { accept: null }), rule(dport(8472), DROP)]),
    ]) {
      const { verdict, remedy, command } = finding("input-rules", kept);
      assert.deepEqual([verdict, command], ["warn", null]);
      assert.match(remedy ?? "", /^see whether .* keeps hosts of the overlay out, .* only others out, it is right$/);
      assert.doesNotMatch(remedy ?? "", /-D |delete/);
    }
  });

  it("names a rule by its own words, whatever a shell or iptables-save makes of them", () => {
    const comments = [
      "don't let $(touch x) in",
      'say "no" to `id`; $HOME',
      "back\\slash \\' \\",
      "plain",
      "-j",
      "-s 10.0.0.0/8",
      "!",
      "* ~ ä",
      "",
    ];
    for (const comment of comments) {
      const saved = /^[\w-]+$/.test(comment) ? comment : `"${comment.replaceAll(/["\\']/g, "\\$&")}"`;
      const match = `-p udp -m comment --comment ${saved} -m udp --dport 8472 -j DROP`;
      const { verdict, sentence, command } = finding("input-rules", filter(`-A INPUT ${match}`));
      assert.equal(verdict, "fail", sentence);
      const words = ["-p", "udp", "-m", "comment", "--comment", comment, ..."-m udp --dport 8472 -j DROP".split(" ")];
      assert.deepEqual(shellWords(command ?? ""), ["-t", "filter", "-D", "INPUT", ...words], command ?? "");
      const [, told = ""] = /is dropped here: (iptables .*)/.exec(sentence) ?? [];
      assert.deepEqual(shellWords(told), ["-t", "filter", "-A", "INPUT", ...words], sentence);
    }
  });

  it("names a chain by its own words, too", () => {
    const ports = "-A $(id) -p udp -m multiport --dports 53,8472 -j DROP";
    const { command } = finding(
      "input-rules",
      filter(`:INPUT ACCEPT [0:0]\n:$(id) - [0:0]\n-A INPUT -j $(id)\n${ports}`),
    );
    assert.deepEqual(shellWords(command ?? "").slice(0, 4), ["-t", "filter", "-I", "$(id)"]);
    const named = JSON.parse(JSON.stringify([chain("input", "drop")]).replaceAll('"c"', '"$(id)"'));
    assert.equal(
      finding("input-rules", nftables(named)).command,
      "nft insert rule inet fw '$(id)' udp dport 8472 accept",
    );
  });

  it("reads what is no ruleset as none", () => {
    for (const text of ["", "{", "[]", '{"nftables": 1}', '{"nftables": [null, {"chain": null}]}']) {
      assert.equal(finding("input-rules", { rules: known({ iptables: {}, nftables: text }) }).verdict, "ok", text);
    }
  });
});
