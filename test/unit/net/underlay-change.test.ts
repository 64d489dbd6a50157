import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseIpv4, parsePrefix4 } from "../../../src/base/ip.ts";
import { parseIpv6 } from "../../../src/base/ipv6.ts";
import type { InterfaceFacts, UnderlayFacts } from "../../../src/net/kernel-net.ts";
import type { LinkName } from "../../../src/net/objects.ts";
import { chooseUnderlay, type Underlay, type UnderlayRequest } from "../../../src/net/underlay.ts";
import { changesOfUnderlay, isMove, lossOf, withoutOwnSubnet } from "../../../src/net/underlay-change.ts";
import { underlayAt } from "../../support/vxlan-host.ts";

const UNDERLAY = underlayAt("192.168.64.2");

function interfaceOf(name: string, index: number, address: string): InterfaceFacts {
  const ip = parseIpv4(address);
  const one = { ip, prefix: parsePrefix4(`${address}/24`), permanent: true, secondary: false, deprecated: false };
  return {
    name: name as LinkName,
    index,
    mtu: 1500,
    up: true,
    loopback: false,
    addresses: [one],
    addresses6: [],
    networks6: [],
  };
}

describe("a change of the underlay", () => {
  it("is none when only the order of the prefixes differs", () => {
    const prefixes = ["10.0.0.0/8", "192.168.64.0/24"].map((text) => parsePrefix4(text));
    const [a, b] = [prefixes, prefixes.toReversed()].map((onLink) => ({ ...UNDERLAY, onLink }));
    assert.deepEqual(changesOfUnderlay(a ?? UNDERLAY, b ?? UNDERLAY), []);
    assert.deepEqual(changesOfUnderlay(UNDERLAY, a ?? UNDERLAY), ["onLink"]);
  });

  it("is a move when what was connected may have lost its address or its way, and not when one has come besides", () => {
    const withIpv6 = (text: string): Underlay => {
      const address = parseIpv6(text);
      return { ...UNDERLAY, v6: { address, publicIp: address, onLink: [] } };
    };
    const [one, two] = [withIpv6("fd00::1"), withIpv6("fd00::2")];
    assert.ok(isMove(UNDERLAY, underlayAt("192.168.64.3")));
    assert.ok(isMove(UNDERLAY, { ...UNDERLAY, link: "eth1" as LinkName }));
    assert.ok(isMove(one, two));
    assert.ok(isMove(one, UNDERLAY));
    assert.ok(!isMove(UNDERLAY, one));
    assert.ok(!isMove(one, { ...one, mtu: 1400, onLink: [] }));
  });

  it("from an address to one of 169.254.0.0/16 is a loss, and no other is", () => {
    const own = underlayAt("169.254.1.1");
    assert.match(lossOf(UNDERLAY, own) ?? "", /169\.254\.1\.1/);
    assert.equal(lossOf(own, UNDERLAY), null);
    assert.equal(lossOf(own, underlayAt("169.254.1.2")), null);
  });
});

describe("choosing while the overlay is there", () => {
  it("does not take its own devices for the underlay, when a pattern fits them and the interface came back behind them", () => {
    const facts: UnderlayFacts = {
      interfaces: [
        interfaceOf("flannel.1", 3, "10.5.52.0"),
        interfaceOf("cni0", 4, "10.5.52.1"),
        interfaceOf("eth0", 9, "10.1.0.2"),
      ],
      defaultRoutes: [],
      defaultRoutes6: [],
    };
    const request: UnderlayRequest = {
      families: ["ipv4"],
      interfaces: [],
      regexes: [{ source: "10\\.", pattern: /10\./ }],
      canReach: null,
      publicIp: null,
      publicIpv6: null,
    };
    const own = { v4: parsePrefix4("10.5.52.0/24"), v6: null };
    assert.equal(chooseUnderlay(withoutOwnSubnet(facts, own), request, null).link, "eth0");
    assert.equal(chooseUnderlay(withoutOwnSubnet(facts, { v4: null, v6: null }), request, null).link, "flannel.1");
  });
});
