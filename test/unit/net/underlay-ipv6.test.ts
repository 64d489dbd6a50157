import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isError } from "../../../src/base/errors.ts";
import { type Family, parseIpv4, parsePrefix4 } from "../../../src/base/ip.ts";
import { type Ipv6, parseIpv6, parsePrefix6 } from "../../../src/base/ipv6.ts";
import type { InterfaceAddress6, InterfaceFacts, UnderlayFacts } from "../../../src/net/kernel-net.ts";
import type { LinkName } from "../../../src/net/objects.ts";
import { chooseUnderlay, type Underlay, type UnderlayRequest } from "../../../src/net/underlay.ts";
import { changesOfUnderlay, lossOf, withoutOwnSubnet } from "../../../src/net/underlay-change.ts";
import { DUAL_UNDERLAY } from "../../support/dual-stack.ts";

type Flags = Partial<Pick<InterfaceAddress6, "permanent" | "temporary" | "deprecated" | "tentative">>;

function address6(text: string, flags: Flags = {}): InterfaceAddress6 {
  const ip = parseIpv6(text.slice(0, text.indexOf("/")));
  const standing = { permanent: true, temporary: false, deprecated: false, tentative: false };
  return { ip, prefix: parsePrefix6(text), ...standing, ...flags };
}

function link(name: string, v4: readonly string[], v6: readonly (string | InterfaceAddress6)[]): InterfaceFacts {
  const addresses = v4.map((text) => {
    const ip = parseIpv4(text.slice(0, text.indexOf("/")));
    return { ip, prefix: parsePrefix4(text), permanent: true, secondary: false, deprecated: false };
  });
  const addresses6 = v6.map((item) => (typeof item === "string" ? address6(item) : item));
  return {
    name: name as LinkName,
    index: 1,
    mtu: 1500,
    up: true,
    loopback: false,
    addresses,
    addresses6,
    networks6: [],
  };
}

/** As DHCPv6 gives an address, with what a router says of the link. */
const BY_ROUTER: InterfaceFacts = {
  ...link("eth0", ["10.0.0.2/24"], ["2001:db8::2/128"]),
  networks6: [parsePrefix6("2001:db8::/64"), parsePrefix6("2001:db8::/64")],
};
const ETH0 = link("eth0", ["10.0.0.2/24"], ["fe80::2/64", "2001:db8::2/64"]);
const ETH1 = link("eth1", ["10.0.1.2/24"], ["2001:db8:1::2/64", "2001:db8:1::3/64"]);
const V4_ONLY = link("eth2", ["10.0.2.2/24"], ["::1/128", "ff02::1/128"]);

function host(...interfaces: readonly InterfaceFacts[]): UnderlayFacts {
  const routes = [{ dev: "eth0" as LinkName, metric: 0 }];
  return { interfaces, defaultRoutes: routes, defaultRoutes6: [{ dev: "eth1" as LinkName, metric: 1024 }] };
}

const HOST = host(ETH0, ETH1, V4_ONLY);
const BOTH: readonly Family[] = ["ipv4", "ipv6"];

function choose(request: Partial<UnderlayRequest>, facts = HOST): Underlay {
  const nothing = { interfaces: [], regexes: [], canReach: null, publicIp: null, publicIpv6: null };
  return chooseUnderlay(facts, { families: BOTH, ...nothing, ...request }, null);
}

/** "eth0 10.0.0.2 10.0.0.2 2001:db8::2 2001:db8::2" */
function chosen(request: Partial<UnderlayRequest>, facts = HOST): string {
  const { link: name, address, publicIp, v6 } = choose(request, facts);
  return [name, address, publicIp, v6?.address, v6?.publicIp].join(" ");
}

function regex(source: string) {
  return { regexes: [{ source, pattern: new RegExp(source) }] };
}

function refused(request: Partial<UnderlayRequest>, expected: RegExp, facts = HOST): void {
  assert.throws(
    () => choose(request, facts),
    (error) => isError(error, "interface.not-found") && expected.test(error.message),
  );
}

describe("the underlay of a dual-stack network", () => {
  test("is the interface of the IPv4 default route, with its best address of each family", () => {
    assert.equal(chosen({}), "eth0 10.0.0.2 10.0.0.2 2001:db8::2 2001:db8::2");
    assert.deepEqual(choose({}).v6?.onLink, ["fe80::/64", "2001:db8::/64"]);
  });

  test("needs an address of each family", () => {
    refused({ interfaces: ["eth2"] }, /interface eth2 has no usable IPv6 address/);
    refused(
      {},
      /interface eth0 has no usable IPv6 address; the host has eth0 \(10\.0\.0\.2\)/,
      host(link("eth0", ["10.0.0.2/24"], [])),
    );
  });

  test("is named by an address of either, which is then the one that is used", () => {
    assert.equal(chosen({ interfaces: ["2001:db8:1::3"] }), "eth1 10.0.1.2 10.0.1.2 2001:db8:1::3 2001:db8:1::3");
    assert.equal(chosen({ interfaces: ["10.0.1.2"] }), "eth1 10.0.1.2 10.0.1.2 2001:db8:1::2 2001:db8:1::2");
    assert.equal(chosen({ publicIpv6: "2001:db8:1::3" as Ipv6 }), "eth1 10.0.1.2 10.0.1.2 2001:db8:1::3 2001:db8:1::3");
  });

  test("tells peers to send to --public-ipv6, also when no interface has it", () => {
    const publicIpv6 = "2001:db8:ffff::1" as Ipv6;
    assert.equal(chosen({ publicIpv6 }), "eth0 10.0.0.2 10.0.0.2 2001:db8::2 2001:db8:ffff::1");
    assert.equal(chosen({ interfaces: ["eth1"], publicIpv6 }), "eth1 10.0.1.2 10.0.1.2 2001:db8:1::2 2001:db8:ffff::1");
  });

  test("matches a pattern in both families if there is such an interface, else in one", () => {
    assert.match(chosen(regex(String.raw`^10\.0\.1\.|^2001:db8:1:`)), /^eth1 10\.0\.1\.2 .* 2001:db8:1::2$/);
    assert.match(chosen(regex(String.raw`^10\.0\.1\.`)), /^eth1 10\.0\.1\.2 .* 2001:db8:1::2$/);
    assert.match(chosen(regex("::3$")), /^eth1 10\.0\.1\.2 .* 2001:db8:1::3$/);
    assert.match(chosen(regex("^eth1$")), /^eth1 /);
    assert.match(chosen(regex("^eth[12]$"), host(V4_ONLY, ETH1)), /^eth1 /);
  });

  test("is what IPv4 alone would choose, where the network has no IPv6", () => {
    assert.equal(choose({ families: ["ipv4"] }).v6, null);
    refused(
      { families: ["ipv4"], interfaces: ["2001:db8::2"] },
      /no interface has the name or the address 2001:db8::2/,
    );
    assert.equal(choose({ families: ["ipv4"], publicIpv6: "2001:db8:1::3" as Ipv6 }).link, "eth0");
  });
});

describe("the underlay of a network of IPv6 alone", () => {
  const alone = { families: ["ipv6"] as const };

  test("is the interface of the IPv6 default route, and has no IPv4 address", () => {
    assert.equal(chosen(alone), "eth1 0.0.0.0 0.0.0.0 2001:db8:1::2 2001:db8:1::2");
    assert.deepEqual(choose(alone).onLink, []);
  });

  const preferences: readonly (readonly [string, readonly (string | InterfaceAddress6)[], string])[] = [
    ["a global one to a link-local one", ["fe80::1/64", "fd00::1/64"], "fd00::1"],
    ["a link-local one to none", ["fe80::1/64"], "fe80::1"],
    [
      "a lasting one to one of the privacy extensions",
      [address6("fd00::1/64", { temporary: true }), "fd00::2/64"],
      "fd00::2",
    ],
    ["a permanent one to one with a lifetime", [address6("fd00::1/64", { permanent: false }), "fd00::2/64"], "fd00::2"],
    ["none that is deprecated", [address6("fd00::1/64", { deprecated: true }), "fd00::2/64"], "fd00::2"],
    ["none that another host may have", [address6("fd00::1/64", { tentative: true }), "fd00::2/64"], "fd00::2"],
    ["the interface's own to a VIP", ["fd00::1/128", address6("fd00::2/64", { permanent: false })], "fd00::2"],
    [
      "one of DHCPv6, which is a /128, to a link-local one",
      ["fe80::1/64", address6("fd00::1/128", { permanent: false })],
      "fd00::1",
    ],
    ["the older of equals", ["fd00::9/64", "fd00::2/64"], "fd00::9"],
  ];
  for (const [what, addresses, expected] of preferences) {
    test(`prefers ${what}`, () => {
      const facts = host(link("eth1", [], addresses));
      assert.equal(choose(alone, facts).v6?.address, expected);
    });
  }
});

describe("a change of the IPv6 underlay", () => {
  const { v6 } = DUAL_UNDERLAY;
  const other = (changes: object): Underlay => ({ ...DUAL_UNDERLAY, v6: v6 && { ...v6, ...changes } });

  test("is told when an address or a prefix is another, and not when only the order is", () => {
    assert.deepEqual(changesOfUnderlay(DUAL_UNDERLAY, other({})), []);
    for (const change of [{ address: "fd77::9" }, { publicIp: "fd77::9" }, { onLink: [] }]) {
      assert.deepEqual(changesOfUnderlay(DUAL_UNDERLAY, other(change)), ["v6"]);
    }
    assert.deepEqual(changesOfUnderlay(DUAL_UNDERLAY, { ...DUAL_UNDERLAY, v6: null }), ["v6"]);
  });

  test("is a loss when only a link-local address is left", () => {
    assert.match(lossOf(DUAL_UNDERLAY, other({ address: "fe80::1" })) ?? "", /eth0 has only fe80::1/);
    assert.equal(lossOf(other({ address: "fe80::1" }), DUAL_UNDERLAY), null);
  });

  test("is not made to the overlay's own devices", () => {
    const facts = host(link("flannel-v6.1", [], ["fd00:5:0:52::/128"]), link("eth9", [], ["fd77::2/64"]));
    const own = { v4: null, v6: parsePrefix6("fd00:5:0:52::/64") };
    const request = { families: ["ipv6"] as const, ...regex("^fd") };
    assert.equal(choose(request, withoutOwnSubnet(facts, own)).link, "eth9");
    assert.equal(choose(request, facts).link, "flannel-v6.1");
  });

  test("reaches what a router says to be on the link, where its own address is alone in its prefix", () => {
    assert.deepEqual(choose({}, host(BY_ROUTER)).v6?.onLink, ["2001:db8::/64"]);
  });
});
