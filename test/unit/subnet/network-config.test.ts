import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Prefix4 } from "../../../src/base/ip.ts";
import { parsePrefix4, prefix4Contains } from "../../../src/base/ip.ts";
import { parseNetworkConfig } from "../../../src/subnet/network-config.ts";
import { specialRangeIn } from "../../../src/subnet/special-ranges.ts";
import { ipv4Space } from "../../../src/subnet/subnet-space.ts";
import { ipv4Of, ipv6Of, only6, refused, with16 } from "../../support/network-configs.ts";

/** Text, then network, length, first, last and number of the subnets. */
type Derived4 = [string, string, number, string, string, number];

describe("the IPv4 network", () => {
  test("gets the defaults of the Go daemon, whatever its size", () => {
    const cases: Derived4[] = [
      ['{ "network": "10.3.0.0/16" }', "10.3.0.0/16", 24, "10.3.1.0", "10.3.255.0", 255],
      ['{"Network":"10.3.7.9/16"}', "10.3.0.0/16", 24, "10.3.1.0", "10.3.255.0", 255],
      ['{"Network":"10.0.0.0/8"}', "10.0.0.0/8", 24, "10.0.1.0", "10.255.255.0", 65535],
      ['{"Network":"172.16.0.0/12"}', "172.16.0.0/12", 24, "172.16.1.0", "172.31.255.0", 4095],
      ['{"Network":"192.168.0.0/22"}', "192.168.0.0/22", 24, "192.168.1.0", "192.168.3.0", 3],
      ['{"Network":"192.168.0.0/23"}', "192.168.0.0/23", 25, "192.168.0.128", "192.168.1.128", 3],
      ['{"Network":"192.168.1.0/24"}', "192.168.1.0/24", 26, "192.168.1.64", "192.168.1.192", 3],
      ['{"Network":"192.168.1.0/26"}', "192.168.1.0/26", 28, "192.168.1.16", "192.168.1.48", 3],
      ['{"Network":"192.168.1.16/28"}', "192.168.1.16/28", 30, "192.168.1.20", "192.168.1.28", 3],
      ['{"Network":"255.255.0.0/16"}', "255.255.0.0/16", 24, "255.255.1.0", "255.255.255.0", 255],
    ];
    checkDerived(cases);
  });

  test("takes the length and the bounds that are given", () => {
    const big = '"SubnetLen":20,"SubnetMin":"10.10.0.0","SubnetMax":"10.99.0.0"';
    const cases: Derived4[] = [
      [`{"Network":"10.0.0.0/8",${big}}`, "10.0.0.0/8", 20, "10.10.0.0", "10.99.0.0", 1425],
      [
        with16('"SubnetMin":"10.3.5.0","SubnetMax":"10.3.8.0","SubnetLen":28'),
        "10.3.0.0/16",
        28,
        "10.3.5.0",
        "10.3.8.0",
        49,
      ],
      [with16('"SubnetMin":"10.3.1.0","SubnetMax":"10.3.25.0"'), "10.3.0.0/16", 24, "10.3.1.0", "10.3.25.0", 25],
      [with16('"SubnetLen":30'), "10.3.0.0/16", 30, "10.3.0.4", "10.3.255.252", 16383],
      [with16('"SubnetLen":18'), "10.3.0.0/16", 18, "10.3.64.0", "10.3.192.0", 3],
      [with16('"SubnetLen":0'), "10.3.0.0/16", 24, "10.3.1.0", "10.3.255.0", 255],
      [with16('"SubnetLen":null'), "10.3.0.0/16", 24, "10.3.1.0", "10.3.255.0", 255],
      [with16('"SubnetMin":"10.3.0.0"'), "10.3.0.0/16", 24, "10.3.0.0", "10.3.255.0", 256],
      [with16('"SubnetMin":"0.0.0.0","SubnetMax":"0.0.0.0"'), "10.3.0.0/16", 24, "10.3.1.0", "10.3.255.0", 255],
      [with16('"SUBNETLEN":25,"subnetmin":"10.3.0.128"'), "10.3.0.0/16", 25, "10.3.0.128", "10.3.255.128", 511],
      [with16('"SubnetMin":"10.3.9.0","SubnetMax":"10.3.9.0"'), "10.3.0.0/16", 24, "10.3.9.0", "10.3.9.0", 1],
    ];
    checkDerived(cases);
  });

  test("is refused with the path and the words of the Go daemon", () => {
    const fourSubnets = /: network must be able to accommodate at least four subnets: /;
    refused("{}", "$.Network: please define a correct Network parameter in the flannel config");
    refused("null", "$.Network: please define a correct Network parameter in the flannel config");
    refused('{"Network":"0.0.0.0/0"}', /please define a correct Network parameter/);
    refused('{"Network":"10.3.0.0"}', "$.Network: invalid CIDR address: 10.3.0.0");
    refused('{"Network":10}', "$.Network: invalid CIDR address: 10");
    refused('{"Network":null}', "$.Network: invalid CIDR address: null");
    refused('{"Network":"2001:db8::/64"}', /^\$\.Network: invalid IPv4 CIDR format/);
    refused('{"Network":"192.168.1.16/29"}', "$.Network: network is too small. Minimum useful network prefix is /28");
    refused('{"Network":"192.168.1.0/29","SubnetLen":30}', fourSubnets);
    refused(with16('"SubnetLen":17'), fourSubnets);
    refused(with16('"SubnetLen":31'), "$.SubnetLen: SubnetLen must be less than /31");
    refused(with16('"SubnetLen":"24"'), '$.SubnetLen: must be an integer of 0 or more, but is "24"');
    refused(with16('"SubnetLen":-1'), "$.SubnetLen: must be an integer of 0 or more, but is -1");
    refused(with16('"SubnetLen":24.5'), /^\$\.SubnetLen: must be an integer/);
    refused(with16('"SubnetMin":"fc00::1"'), /^\$\.SubnetMin: invalid IPv4 address format/);
    refused(with16('"SubnetMin":null'), /^\$\.SubnetMin: invalid IP address format/);
    refused(with16('"SubnetMax":"10.3.1"'), /^\$\.SubnetMax: invalid IP address format/);
    refused(
      with16('"SubnetMin":"10.4.1.0"'),
      /^\$\.SubnetMin: SubnetMin is not in the range of the Network: 10\.4\.1\.0/,
    );
    refused(with16('"SubnetMax":"10.2.1.0"'), /^\$\.SubnetMax: SubnetMax is not in the range of the Network/);
    refused(with16('"SubnetMin":"10.3.1.5"'), "$.SubnetMin: SubnetMin is not on a SubnetLen boundary: 10.3.1.5");
    refused(
      with16('"SubnetMin":"10.3.1.0","SubnetMax":"10.3.9.128"'),
      "$.SubnetMax: SubnetMax is not on a SubnetLen boundary: 10.3.9.128",
    );
  });

  test("is refused where no container can have an address, and not beside that", () => {
    refused(
      '{"Network":"127.5.0.0/16"}',
      "$.Network: no container can have an address in 127.0.0.0/8 (loopback), which 127.5.0.0/16 overlaps",
    );
    refused('{"Network":"169.254.0.0/16"}', /^\$\.Network: .* in 169\.254\.0\.0\/16 \(link-local addresses\)/);
    refused('{"Network":"169.254.8.0/22"}', /link-local/);
    refused('{"Network":"169.0.0.0/8"}', /link-local/);
    refused('{"Network":"224.0.0.0/8"}', /multicast/);
    refused('{"Network":"239.255.0.0/16"}', /multicast/);
    for (const network of [
      "126.0.0.0/8",
      "128.0.0.0/8",
      "169.253.0.0/16",
      "169.255.0.0/16",
      "223.0.0.0/8",
      "240.0.0.0/8",
    ]) {
      assert.equal(parseNetworkConfig(`{"Network":"${network}"}`).ipv4?.network, network);
    }
  });

  test("is refused when no subnet could ever be leased from it", () => {
    refused(
      with16('"SubnetMin":"10.3.20.0","SubnetMax":"10.3.10.0"'),
      "$.SubnetMin: SubnetMin is greater than SubnetMax: 10.3.20.0 > 10.3.10.0",
    );
    refused(with16('"SubnetMax":"10.3.0.0"'), /SubnetMin is greater than SubnetMax: 10\.3\.1\.0 > 10\.3\.0\.0/);
  });
});

/** Text, then network, length, first and last of the subnets. */
type Derived6 = [string, string, number, string, string];

describe("the IPv6 network", () => {
  test("gets the defaults of the Go daemon, or what is given", () => {
    const small = '"IPv6SubnetMin":"fc00:0:0:1::","IPv6SubnetMax":"fc00:0:0:f::","IPv6SubnetLen":124';
    const cases: Derived6[] = [
      [
        '{ "enableIPv6": true, "ipv6Network": "fc00::/48", "enableIPv4": false }',
        "fc00::/48",
        64,
        "fc00:0:0:1::",
        "fc00:0:0:ffff::",
      ],
      [only6(`"IPv6Network":"fc00::/48",${small}`), "fc00::/48", 124, "fc00:0:0:1::", "fc00:0:0:f::"],
      [only6('"IPv6Network":"fd00::/62"'), "fd00::/62", 64, "fd00:0:0:1::", "fd00:0:0:3::"],
      [only6('"IPv6Network":"fd00::/63"'), "fd00::/63", 65, "fd00::8000:0:0:0", "fd00:0:0:1:8000::"],
      [only6('"IPv6Network":"fd00::/64"'), "fd00::/64", 66, "fd00::4000:0:0:0", "fd00::c000:0:0:0"],
      [only6('"IPv6Network":"fd00::/108"'), "fd00::/108", 110, "fd00::4:0", "fd00::c:0"],
      [only6('"IPv6Network":"fd00::/124"'), "fd00::/124", 126, "fd00::4", "fd00::c"],
      [
        only6('"IPv6Network":"fc00::/48","IPv6SubnetMin":null,"IPv6SubnetMax":"::"'),
        "fc00::/48",
        64,
        "fc00:0:0:1::",
        "fc00:0:0:ffff::",
      ],
    ];
    for (const [text, network, subnetLen, subnetMin, subnetMax] of cases) {
      assert.deepEqual(ipv6Of(text), { network, subnetLen, subnetMin, subnetMax }, text);
      assert.equal(parseNetworkConfig(text).ipv4, null);
    }
  });

  test("stands beside the IPv4 network in a dual-stack config", () => {
    const text = '{"Network":"10.42.0.0/16","EnableIPv6":true,"IPv6Network":"2001:cafe:42:0::/56"}';
    assert.deepEqual(ipv4Of(text), {
      network: "10.42.0.0/16",
      subnetLen: 24,
      subnetMin: "10.42.1.0",
      subnetMax: "10.42.255.0",
    });
    const subnets = { subnetMin: "2001:cafe:42:1::", subnetMax: "2001:cafe:42:ff::" };
    assert.deepEqual(ipv6Of(text), { network: "2001:cafe:42::/56", subnetLen: 64, ...subnets });
  });

  test("is refused with the path and the words of the Go daemon", () => {
    const net = (members: string) => only6(`"IPv6Network":${members}`);
    refused(only6('"Network":"10.3.0.0/16"'), /please define a correct IPv6Network parameter in the flannel config/);
    refused(net('"::/0"'), /please define a correct IPv6Network parameter/);
    refused(net('"fc00::"'), "$.IPv6Network: invalid CIDR address: fc00::");
    refused(net("null"), "$.IPv6Network: invalid CIDR address: null");
    refused(net('"10.3.0.0/16"'), /^\$\.IPv6Network: invalid IPv6 CIDR format/);
    refused(net('"fd00::/125"'), "$.IPv6Network: IPv6Network is too small. Minimum useful network prefix is /124");
    refused(net('"fe80::/64"'), /no container can have an address in fe80::\/10 \(link-local addresses\)/);
    refused(net('"ff05::/48"'), /multicast/);
    refused(net('"::/48"'), /loopback/);
    refused(net('"fd00::/48","IPv6SubnetLen":127'), "$.IPv6SubnetLen: IPv6SubnetLen must be less than /127");
    refused(net('"fd00::/64","IPv6SubnetLen":65'), /network must be able to accommodate at least four subnets/);
    refused(
      net('"fd00::/48","IPv6SubnetMin":"fd01::"'),
      /^\$\.IPv6SubnetMin: IPv6SubnetMin is not in the range of the IPv6Network/,
    );
    refused(
      net('"fd00::/48","IPv6SubnetMin":"fd00:0:0:1::5"'),
      "$.IPv6SubnetMin: IPv6SubnetMin is not on a SubnetLen boundary: fd00:0:0:1::5",
    );
  });
});

describe("the leasable subnets", () => {
  const network = fc
    .record({
      length: fc.integer({ min: 2, max: 28 }),
      low: fc.nat(2 ** 32 - 1),
      extra: fc.integer({ min: 2, max: 29 }),
    })
    .map(({ length, low, extra }) => ({
      Network: `${low >>> 24 || 1}.${(low >>> 16) & 255}.0.0/${length}`,
      SubnetLen: Math.min(30, length + extra),
    }))
    .filter(({ Network }) => specialRangeIn(parsePrefix4(Network)) === null)
    .map((config) => ipv4Of(JSON.stringify(config)));

  test("are found by index, inside the network, and all but the first of it", () => {
    fc.assert(
      fc.property(network, fc.nat(), (derived, at) => {
        const count = ipv4Space(derived).count;
        assert.equal(count, 2 ** (derived.subnetLen - Number(derived.network.split("/")[1])) - 1);
        const subnet = ipv4Space(derived).at(at % count);
        assert.equal(ipv4Space(derived).isLeasable(subnet), true);
        assert.equal(prefix4Contains(derived.network, subnet), true);
        assert.equal(ipv4Space(derived).at(0), `${derived.subnetMin}/${derived.subnetLen}`);
        assert.equal(ipv4Space(derived).at(count - 1), `${derived.subnetMax}/${derived.subnetLen}`);
      }),
    );
  });

  test("have the configured length and lie between the bounds", () => {
    const derived = ipv4Of(with16('"SubnetMin":"10.3.5.0","SubnetMax":"10.3.8.0"'));
    const leasable = (text: string) => ipv4Space(derived).isLeasable(text as Prefix4);
    assert.deepEqual(["10.3.5.0/24", "10.3.8.0/24"].map(leasable), [true, true]);
    assert.deepEqual(["10.3.4.0/24", "10.3.9.0/24", "10.3.5.0/25", "10.3.5.0/23"].map(leasable), [
      false,
      false,
      false,
      false,
    ]);
  });
});

function checkDerived(cases: readonly Derived4[]): void {
  for (const [text, network, subnetLen, subnetMin, subnetMax, count] of cases) {
    const derived = ipv4Of(text);
    assert.deepEqual(derived, { network, subnetLen, subnetMin, subnetMax }, text);
    assert.equal(ipv4Space(derived).count, count, text);
  }
}
