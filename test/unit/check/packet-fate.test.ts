// What a check makes of rules: each ruleset as its tool prints it, and what it does to a packet.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Prefix4 } from "../../../src/base/ip.ts";
import type { Prefix6 } from "../../../src/base/ipv6.ts";
import { readIptablesChains } from "../../../src/check/iptables-rules.ts";
import { readNftChains } from "../../../src/check/nft-rules.ts";
import { findDrop, type Packet, type SeenChain } from "../../../src/check/packet-fate.ts";

const NETWORK = "10.5.0.0/16" as Prefix4;
const FORWARDED: Packet = {
  family: "ipv4",
  iif: "flannel.1",
  oif: { otherThan: ["lo", "eth0", "flannel.1"] },
  source: NETWORK,
  destination: NETWORK,
  protocols: ["tcp", "udp"],
  port: null,
};
const DATAGRAM: Packet = { ...FORWARDED, iif: "eth0", source: null, destination: null, protocols: ["udp"], port: 8472 };

/** The chain in which it is dropped; null when it may pass. */
function dropIn(chains: readonly SeenChain[], packet: Packet, hook: string): string | null {
  return findDrop(chains, [hook], packet)?.chain.name ?? null;
}

const forward = (...lines: readonly string[]) =>
  dropIn(readIptablesChains(`*filter\n${lines.join("\n")}\nCOMMIT\n`), FORWARDED, "forward");
const input = (...lines: readonly string[]) =>
  dropIn(readIptablesChains(`*filter\n${lines.join("\n")}\nCOMMIT\n`), DATAGRAM, "input");

const SHUT = ":FORWARD DROP [0:0]";
const OPEN = ":FORWARD ACCEPT [0:0]";

describe("a packet in the rules of iptables", () => {
  it("is dropped by the first rule for it, or by the policy", () => {
    assert.equal(forward(SHUT), "FORWARD");
    assert.equal(forward(OPEN), null);
    assert.equal(forward(OPEN, "-A FORWARD -j REJECT --reject-with icmp-port-unreachable"), "FORWARD");
    assert.equal(forward(SHUT, "-A FORWARD -j ACCEPT", "-A FORWARD -j DROP"), null);
    assert.equal(forward(OPEN, "-A FORWARD -i flannel.1 -j DROP"), "FORWARD");
    assert.equal(forward(OPEN, "-A FORWARD -i flannel+ -j DROP"), "FORWARD");
    assert.equal(forward(OPEN, "-A FORWARD ! -i flannel.1 -j DROP"), null);
    assert.equal(forward(OPEN, "-A FORWARD -i eth+ -j DROP", "-A FORWARD -o lo -j DROP"), null);
    assert.equal(forward(OPEN, "-A FORWARD -s 10.0.0.0/8 -j DROP"), "FORWARD");
    assert.equal(forward(OPEN, "-A FORWARD -s 10.6.0.0/16 -j DROP"), null);
  });

  it("takes the way of a new connection, to a port that no rule names", () => {
    assert.equal(forward(SHUT, "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"), "FORWARD");
    assert.equal(forward(SHUT, "-A FORWARD -m state --state NEW -j ACCEPT"), null);
    assert.equal(forward(OPEN, "-A FORWARD -m conntrack --ctstate INVALID -j DROP"), null);
    assert.equal(forward(SHUT, "-A FORWARD -p tcp -m tcp --dport 22 -j ACCEPT"), "FORWARD");
    assert.equal(forward(OPEN, "-A FORWARD -p icmp -j DROP"), null);
    assert.equal(forward(SHUT, "-A FORWARD ! -p tcp -j ACCEPT"), null);
    assert.equal(forward(SHUT, "-A FORWARD ! -p icmp -j ACCEPT"), null);
    assert.equal(forward(SHUT, "-A FORWARD -p tcp -j ACCEPT"), null);
    assert.equal(forward(SHUT, "-A FORWARD -p udp -j ACCEPT"), null);
    assert.equal(forward(SHUT, "-A FORWARD -p icmp -j ACCEPT"), "FORWARD");
    assert.equal(forward(OPEN, "-A FORWARD -p tcp -j DROP"), null);
    assert.equal(forward(OPEN, "-A FORWARD ! -p icmp -j DROP"), "FORWARD");
  });

  it("may pass where nobody can tell", () => {
    assert.equal(forward(SHUT, "-A FORWARD -s 10.5.7.0/24 -j ACCEPT"), null);
    assert.equal(forward(SHUT, "-A FORWARD -o cni0 -j ACCEPT"), null);
    assert.equal(forward(SHUT, "-A FORWARD -o eth0 -j ACCEPT"), "FORWARD");
    assert.equal(forward(SHUT, "-A FORWARD -m set --match-set pods src -j ACCEPT"), null);
    assert.equal(forward(OPEN, "-A FORWARD -m mark --mark 0x1 -j DROP"), null);
    assert.equal(forward(SHUT, "-A FORWARD -j NFQUEUE --queue-num 1"), null);
    assert.equal(forward(SHUT, "-A FORWARD -j GONE"), null);
    assert.equal(forward(SHUT, '-A FORWARD -m comment --comment "-j DROP" -j ACCEPT'), null);
  });

  it("is followed through chains, and back", () => {
    const user = [OPEN, ":USER - [0:0]", "-A FORWARD -j USER"];
    assert.equal(forward(...user, "-A USER -j DROP"), "USER");
    assert.equal(forward(...user, "-A USER -j RETURN", "-A USER -j DROP"), null);
    assert.equal(forward(...user, "-A USER -j LOG", "-A FORWARD -j DROP"), "FORWARD");
    assert.equal(forward(...user, "-A USER -m mark --mark 0x1 -j RETURN", "-A USER -j DROP"), null);
    assert.equal(forward(...user, "-A USER -m mark --mark 0x1 -j RETURN", "-A FORWARD -j DROP"), "FORWARD");
    assert.equal(forward(...user, "-A USER -j USER", "-A FORWARD -j DROP"), null);
    const away = [OPEN, ":USER - [0:0]", "-A FORWARD -g USER", "-A FORWARD -j DROP"];
    assert.equal(forward(...away), null);
    assert.equal(forward(...away, "-A USER -j DROP"), "USER");
  });

  it("is accepted by Docker only where the network is, and by flanneld's chain", () => {
    const docker = [
      ...[SHUT, ":DOCKER - [0:0]", ":DOCKER-ISOLATION-STAGE-1 - [0:0]", ":DOCKER-USER - [0:0]"],
      ...["-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-ISOLATION-STAGE-1"],
      "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
      ...["-A FORWARD -o docker0 -j DOCKER", "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT"],
      "-A FORWARD -i docker0 -o docker0 -j ACCEPT",
      ...["-A DOCKER-ISOLATION-STAGE-1 -j RETURN", "-A DOCKER-USER -j RETURN"],
    ];
    assert.equal(forward(...docker), "FORWARD");
    const ours = [":FLANNEL-FWD - [0:0]", '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD'];
    assert.equal(forward(...docker, ...ours, '-A FLANNEL-FWD -s 10.5.0.0/16 -m comment --comment "x" -j ACCEPT'), null);
    assert.equal(forward(...docker, ...ours, "-A FLANNEL-FWD -s 10.9.0.0/16 -j ACCEPT"), "FORWARD");
  });

  it("to a port is let in by a rule for it, or by one that may be", () => {
    const shut = ":INPUT DROP [0:0]";
    assert.equal(input(shut, "-A INPUT -p udp -m multiport --dports 53,8000:9000 -j ACCEPT"), null);
    assert.equal(input(shut, "-A INPUT -p udp -m udp --dport 53 -j ACCEPT", "-A INPUT -i lo -j ACCEPT"), "INPUT");
    assert.equal(input(shut, "-A INPUT -p udp -j ACCEPT"), null);
    assert.equal(input(shut, "-A INPUT -s 192.0.2.0/24 -j ACCEPT"), null);
    assert.equal(input(":INPUT ACCEPT [0:0]", "-A INPUT -p udp -m udp ! --dport 8472 -j DROP"), null);
  });

  it("does not meet the chains of NAT", () => {
    const nat = "*nat\n:FORWARD DROP [0:0]\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n";
    assert.equal(dropIn(readIptablesChains(nat), FORWARDED, "forward"), null);
  });
});

const at = { family: "inet", table: "t" };
const base = (hook: string, policy = "accept") => ({ chain: { ...at, name: "base", type: "filter", hook, policy } });
const chain = (name: string) => ({ chain: { ...at, name } });
const rule = (name: string, ...expr: readonly object[]) => ({ rule: { ...at, chain: name, handle: 1, expr } });
const match = (left: object, right: unknown, op = "==") => ({ match: { op, left, right } });
const saddr = (right: unknown, protocol = "ip") => match({ payload: { protocol, field: "saddr" } }, right);
const meta = (key: string, right: unknown, op = "==") => match({ meta: { key } }, right, op);
const ACCEPT = { accept: null };
const REJECT = { reject: { type: "icmpx", expr: "admin-prohibited" } };
const nft = (packet: Packet, hook: string, ...items: readonly object[]) =>
  dropIn(readNftChains(JSON.stringify({ nftables: items })), packet, hook);

describe("a packet in the rules of nft", () => {
  const shut = base("forward", "drop");

  it("meets matches as they are written", () => {
    const passes = (...expr: readonly object[]) =>
      nft(FORWARDED, "forward", shut, rule("base", ...expr, ACCEPT)) === null;
    const prefix = (addr: string, len: number) => ({ prefix: { addr, len } });
    assert.equal(passes(saddr(prefix("10.5.0.0", 16))), true);
    assert.equal(passes(saddr(prefix("10.0.0.0", 8)), { counter: { packets: 0, bytes: 0 } }), true);
    assert.equal(passes(saddr({ set: [prefix("10.5.3.0", 24), "192.0.2.1"] })), true);
    assert.equal(passes(saddr("@hosts")), true);
    assert.equal(passes(saddr(prefix("10.6.0.0", 16))), false);
    assert.equal(passes(saddr(prefix("fd00::", 8), "ip6")), false);
    assert.equal(passes(meta("iifname", "flannel.1")), true);
    assert.equal(passes(meta("iifname", { set: ["cni0", "flannel.1"] })), true);
    assert.equal(passes(meta("iifname", "flannel*")), true);
    assert.equal(passes(meta("iifname", "eth0")), false);
    assert.equal(passes(meta("iifname", "eth0", "!=")), true);
    assert.equal(passes(meta("nfproto", "ipv4")), true);
    assert.equal(passes(meta("nfproto", "ipv6")), false);
    assert.equal(passes(meta("l4proto", { set: ["icmp", "ipv6-icmp"] })), false);
    assert.equal(passes(meta("l4proto", { set: ["tcp", "udp", "icmp"] })), true);
    assert.equal(passes(match({ payload: { protocol: "ip", field: "protocol" } }, "udp")), true);
    assert.equal(passes(meta("l4proto", { set: ["tcp", "udp"] }, "!=")), false);
    assert.equal(passes(match({ ct: { key: "state" } }, ["established", "related"], "in")), false);
    assert.equal(passes(match({ ct: { key: "state" } }, { set: ["new", "established"] }, "in")), true);
    assert.equal(passes(match({ ct: { key: "status" } }, "dnat", "in")), false);
    assert.equal(passes(meta("mark", 1)), true);
    assert.equal(passes({ limit: { rate: 1, per: "second" } }), true);
    assert.equal(passes(match({ payload: { protocol: "tcp", field: "dport" } }, 22)), false);
  });

  it("is not dropped by a negated match of a header that it does not have", () => {
    const drops = (packet: Packet, header: string, field: string, right: unknown) => {
      const other = match({ payload: { protocol: header, field } }, right, "!=");
      return nft(packet, "input", base("input"), rule("base", other, { drop: null })) !== null;
    };
    const datagram6: Packet = { ...DATAGRAM, family: "ipv6" };
    for (const field of ["dport", "sport"]) {
      assert.equal(drops(DATAGRAM, "tcp", field, 22), false);
      assert.equal(drops(DATAGRAM, "sctp", field, 22), false);
    }
    assert.equal(drops(DATAGRAM, "icmp", "type", "echo-request"), false);
    assert.equal(drops(datagram6, "icmpv6", "type", "echo-request"), false);
    assert.equal(drops(FORWARDED, "tcp", "dport", 22), false);
    assert.equal(drops(FORWARDED, "udp", "dport", 53), false);
    assert.equal(drops(FORWARDED, "icmp", "type", "echo-request"), false);
    const prefix = { prefix: { addr: "10.0.0.0", len: 8 } };
    assert.equal(drops({ ...datagram6, source: "fd00::/8" as Prefix6 }, "ip", "saddr", prefix), false);
    assert.equal(drops(datagram6, "ip", "protocol", "tcp"), false);
    assert.equal(drops(DATAGRAM, "ip6", "saddr", { prefix: { addr: "fd00::", len: 8 } }), false);
    // And is where it has it.
    assert.equal(drops(DATAGRAM, "ip", "protocol", "tcp"), true);
    assert.equal(drops(DATAGRAM, "udp", "dport", 53), true);
    assert.equal(
      drops({ ...DATAGRAM, source: NETWORK }, "ip", "saddr", { prefix: { addr: "192.0.2.0", len: 24 } }),
      true,
    );
  });

  it("may pass by a field that is not understood, if it is of the protocol that has it", () => {
    const fate = (op: string, protocol: string) => {
      const one = match({ payload: { protocol, field: "length" } }, 100, op);
      return nft(DATAGRAM, "input", base("input"), rule("base", one, { drop: null }));
    };
    for (const op of ["==", "!=", ">"]) assert.equal(fate(op, "udp"), null);
    const shutBy = (protocol: string) =>
      nft(
        DATAGRAM,
        "input",
        base("input", "drop"),
        rule("base", match({ payload: { protocol, field: "sport" } }, "@ports", ">"), ACCEPT),
      );
    assert.equal(shutBy("udp"), null);
    assert.equal(shutBy("tcp"), "base");
  });

  it("is rejected by an answer of its own protocol or family alone", () => {
    const datagram6: Packet = { ...DATAGRAM, family: "ipv6" };
    const rejected = (packet: Packet, reject: unknown) =>
      nft(packet, "input", base("input"), rule("base", { reject })) !== null;
    assert.equal(rejected(DATAGRAM, { type: "icmp", expr: "port-unreachable" }), true);
    assert.equal(rejected(datagram6, { type: "icmp", expr: "port-unreachable" }), false);
    assert.equal(rejected(DATAGRAM, { type: "icmpv6", expr: "no-route" }), false);
    assert.equal(rejected(DATAGRAM, { type: "tcp reset" }), false);
    assert.equal(rejected(datagram6, { type: "icmpx", expr: "port-unreachable" }), true);
    assert.equal(rejected(DATAGRAM, null), true);
  });

  it("to a port meets rules for UDP", () => {
    const passes = (...expr: readonly object[]) =>
      nft(DATAGRAM, "input", base("input", "drop"), rule("base", ...expr, ACCEPT)) === null;
    const dport = (protocol: string, right: unknown) => match({ payload: { protocol, field: "dport" } }, right);
    assert.equal(passes(dport("udp", { range: [8000, 9000] })), true);
    assert.equal(passes(dport("th", { set: [53, 8472] })), true);
    assert.equal(passes(dport("tcp", 8472)), false);
    assert.equal(passes(dport("udp", "@ports")), true);
    assert.equal(passes(meta("l4proto", "udp")), true);
    assert.equal(passes(meta("l4proto", { set: [6, 17] })), true);
    assert.equal(passes(meta("l4proto", 6)), false);
    assert.equal(passes(meta("l4proto", { range: [1, 20] })), true);
    assert.equal(passes(match({ payload: { protocol: "icmp", field: "type" } }, "echo-request")), false);
  });

  it("is rejected by firewalld's default zone, unless a zone of its own takes it", () => {
    const jump = (target: string) => ({ jump: { target } });
    const goto = (target: string) => ({ goto: { target } });
    const zones = [
      ...[base("forward"), chain("ZONES"), chain("filter_FWD_public"), chain("filter_FWD_trusted")],
      rule("base", match({ ct: { key: "state" } }, ["established", "related"], "in"), ACCEPT),
      ...[rule("base", jump("ZONES")), rule("base", REJECT)],
      rule("filter_FWD_public", meta("oifname", "eth0"), ACCEPT),
      ...[rule("filter_FWD_public", REJECT), rule("filter_FWD_trusted", ACCEPT)],
      rule("ZONES", meta("iifname", "eth0"), goto("filter_FWD_public")),
    ];
    const rest = rule("ZONES", goto("filter_FWD_public"));
    assert.equal(nft(FORWARDED, "forward", ...zones, rest), "filter_FWD_public");
    const source = saddr({ prefix: { addr: "10.5.0.0", len: 16 } });
    assert.equal(nft(FORWARDED, "forward", ...zones, rule("ZONES", source, goto("filter_FWD_trusted")), rest), null);
    const device = meta("iifname", "flannel.1");
    assert.equal(nft(FORWARDED, "forward", ...zones, rule("ZONES", device, goto("filter_FWD_trusted")), rest), null);
  });

  it("may pass where a verdict map decides", () => {
    assert.equal(nft(FORWARDED, "forward", shut, rule("base", { vmap: { key: {}, data: "@zones" } })), null);
  });
});
