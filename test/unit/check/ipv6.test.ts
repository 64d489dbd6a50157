// What the checks say of a network without IPv4.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NO_IPV4 } from "../../../src/base/ip.ts";
import type { Ipv6, Prefix6 } from "../../../src/base/ipv6.ts";
import { runChecks } from "../../../src/check/checks.ts";
import { type Facts, known, NO_IPV4_NETWORK, type PeerFacts, unknown } from "../../../src/check/facts.ts";
import type { InterfaceFacts } from "../../../src/net/kernel-net.ts";
import type { Link, LinkName } from "../../../src/net/objects.ts";
import type { Lease } from "../../../src/subnet/lease.ts";
import { dualLease, hostNumber, IPV6_NETWORK, ipv6Only } from "../../support/dual-stack.ts";
import { DEAD, interfaceOf, OWN_ID, storeOf, untilIn, wayOf, wellFacts } from "../../support/well-facts.ts";

const [ETH0, ETH1] = ["eth0", "eth1"] as LinkName[];
assert.ok(ETH0 && ETH1);
const OWN = dualLease({ ...ipv6Only(hostNumber(1)), nodeId: OWN_ID });
const PEER = dualLease(ipv6Only(hostNumber(2)));
const HERE = "fd77::1" as Ipv6;
const plain = wellFacts();
assert.ok(plain.underlay.known);
const underlay = { ...plain.underlay.value, address: NO_IPV4, publicIp: NO_IPV4, onLink: [] };

function withPrefix6(name: string, ip: string, prefix: string): InterfaceFacts {
  const [plainOne] = plain.interfaces.known ? plain.interfaces.value : [];
  assert.ok(plainOne);
  const [first] = plainOne.addresses;
  const address = { ...first, ip: ip as Ipv6, prefix: prefix as Prefix6 } as unknown as InterfaceFacts["addresses6"][0];
  return interfaceOf(name, "192.168.77.11/24", { addresses: [], addresses6: [address] });
}

function peerOf(lease: Lease, change: Partial<PeerFacts> = {}): PeerFacts {
  const ways = [
    wayOf("underlay", `${lease.attrs.publicIpv6}`),
    wayOf("overlay", `${lease.subnet.v6}`.split("/")[0] ?? ""),
  ];
  return { lease, way: { dev: ETH0 as LinkName, source: null }, ways, term: null, ...change };
}

function says(name: string, change: Partial<Facts> = {}): string {
  const facts = wellFacts({
    families: ["ipv6"],
    network: unknown(NO_IPV4_NETWORK),
    network6: IPV6_NETWORK.ipv6,
    underlay: known({ ...underlay, v6: { address: HERE, publicIp: HERE, onLink: [] } }),
    interfaces: known([withPrefix6("eth0", HERE, "fd77::/64")]),
    subnetFile: {
      path: "/run/flannel/subnet.env",
      subnet: null,
      subnet6: OWN.subnet.v6,
      mtu: 1430,
      isOfThisBoot: true,
    },
    store: known(storeOf([OWN, PEER])),
    peers: [peerOf(PEER)],
    ...change,
  });
  const found = runChecks(facts).find((one) => one.name === name);
  return `${found?.verdict}: ${found?.sentence}`;
}

describe("a check of a network without IPv4", () => {
  it("tells a device whose address has gone from the host", () => {
    assert.ok(plain.links.known);
    const device = { ...plain.links.value[0], name: "flannel-v6.1", local: HERE } as Link;
    const gone = { links: known([device]), interfaces: known([withPrefix6("eth0", "fe80::1", "fe80::/64")]) };
    const told = "fail: flannel-v6.1 sends from fd77::1, which no interface of this host has any more";
    assert.equal(says("interface", gone), told);
    assert.match(says("interface", { links: known([device]) }), /^ok/);
  });

  it("goes by its IPv6 addresses and subnets", () => {
    assert.match(says("config"), /^ok: .* is valid: fd00:5::\/48$/);
    assert.equal(says("interface"), "ok: eth0 (fd77::1) leads to the other hosts");
    assert.equal(says("public-ip"), "ok: nobody else has the public IP fd77::1");
    assert.match(says("subnets"), /^ok: 65533 of 65535 subnets are free, this host has fd00:5:0:1::\/64$/);
    assert.equal(says("networks"), "ok: fd00:5::/48 overlaps no network of this host");
    assert.equal(says("peers"), "ok: 1 peer answers on the underlay");
    assert.equal(says("overlay"), "ok: 1 peer answers through the overlay");
    assert.match(says("path-mtu"), /^ok/);
    assert.match(
      says("rp-filter", { sysctls: { "net.ipv4.conf.all.rp_filter": "1" } }),
      /^ok: rp_filter is of IPv4 alone/,
    );
  });

  it("passes over the firewall rules of IPv4", () => {
    const chain = (family: string, hook: string) => ({
      chain: { family, table: "fw", name: "c", handle: 1, type: "filter", hook, prio: 0, policy: "drop" },
    });
    const rules = (family: string, hook: string) => ({
      rules: known({
        iptables: { iptables: "*filter\n:FORWARD DROP [0:0]\n:INPUT DROP [0:0]\nCOMMIT\n" },
        nftables: JSON.stringify({ nftables: [chain(family, hook)] }),
      }),
    });
    assert.match(says("forward-rules", rules("ip", "forward")), /^ok/);
    assert.match(says("input-rules", rules("ip", "input")), /^ok/);
    assert.match(says("forward-rules", rules("ip6", "forward")), /^fail: the nftables chain ip6 fw c drops/);
    assert.match(says("input-rules", rules("inet", "input")), /^fail: UDP port 8472/);
  });

  it("tells what is wrong with them", () => {
    const rival = dualLease({ ...ipv6Only(hostNumber(3)), publicIpv6: HERE, nodeId: "c".repeat(32) });
    assert.match(
      says("public-ip", { store: known(storeOf([OWN, rival])) }),
      /^fail: another host \(node id c+\) has the public IP fd77::1 of this one and holds fd00:5:0:3::\/64/,
    );
    const astray = peerOf(PEER, { way: { dev: ETH1 as LinkName, source: null } });
    assert.match(says("interface", { peers: [astray] }), /^fail: packets to fd77::2 leave by eth1/);
    const bridge = (prefix: string) => [
      withPrefix6("eth0", HERE, "fd77::/64"),
      withPrefix6("cni0", "fd00:5::1", prefix),
    ];
    assert.match(
      says("networks", { interfaces: known(bridge("fd00:5:0:7::/64")) }),
      /^fail: the network fd00:5::\/48 overlaps fd00:5:0:7::\/64 of cni0/,
    );
    assert.match(says("networks", { interfaces: known(bridge("fd00:5:0:1::/64")) }), /^ok/);
    const fileless = { subnetFile: { path: "", subnet: null, subnet6: null, mtu: null, isOfThisBoot: true } };
    assert.match(says("networks", { ...fileless, interfaces: known(bridge("fd00:5:0:1::/64")) }), /^ok/);
    assert.match(says("networks", { ...fileless, interfaces: known(bridge("fd00:5:0:2::/64")) }), /^fail/);
    const routed = (dst: string, dev: string) =>
      says("networks", { routes6: [{ dst: dst as Prefix6, dev: dev as LinkName }] });
    assert.match(routed("fd00::/8", "eth1"), /^warn: the network fd00:5::\/48 is a part of fd00::\/8, .* by eth1$/);
    assert.match(routed("::/0", "eth1"), /^ok/);
    assert.match(routed("fd00:5:0:7::/64", "flannel-v6.1"), /^ok/);
    const dead = { ways: [wayOf("underlay", "fd77::2", DEAD)], term: untilIn(0.5) };
    assert.match(
      says("peers", { peers: [peerOf(PEER, dead)] }),
      /^fail: stale peer: fd77::2 does not answer, and its record for fd00:5:0:2::\/64/,
    );
  });
});
