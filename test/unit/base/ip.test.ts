import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { isError } from "../../../src/base/errors.ts";
import {
  hostAddress4,
  type Ipv4,
  ipv4FromNumber,
  ipv4Number,
  ipv4Octets,
  isUnicastIpv4,
  type Prefix4,
  parseIpv4,
  parsePrefix4,
  prefix4,
  prefix4Address,
  prefix4Contains,
  prefix4Overlaps,
  prefix4Size,
  prefixLength,
} from "../../../src/base/ip.ts";

const address = fc.nat(2 ** 32 - 1).map(ipv4FromNumber);
const prefix = fc.tuple(address, fc.nat(32)).map(([ip, length]) => prefix4(ip, length));
/** Prefixes that are likely to be related. */
const nearby = fc.tuple(fc.nat(255), fc.integer({ min: 22, max: 32 })).map(([low, length]) => {
  return prefix4(ipv4FromNumber(0x0a000000 + low), length);
});

describe("IPv4 addresses", () => {
  test("a dotted quad without leading zeros is an address and nothing else is", () => {
    for (const text of ["0.0.0.0", "1.2.3.4", "255.255.255.255", "10.5.52.0"]) assert.equal(parseIpv4(text), text);
    const wrong = ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1*2*3*4", "1.2.3.4\n"];
    for (const text of [...wrong, "fc00::1", "::ffff:1.2.3.4", "0x1.2.3.4", "1.2.3.-4", "1.2.3.4/24"]) {
      assert.throws(
        () => parseIpv4(text),
        (error) => isError(error, "address.invalid"),
        text,
      );
    }
  });

  test("number, octets and text are the same address, as ipaddr.js has it", () => {
    fc.assert(
      fc.property(address, (ip) => {
        const oracle = ipaddr.IPv4.parse(ip);
        assert.equal(parseIpv4(ip), ip);
        assert.equal(oracle.toString(), ip);
        assert.deepEqual([...ipv4Octets(ip)], oracle.octets);
        assert.equal(ipv4FromNumber(ipv4Number(ip)), ip);
      }),
    );
    assert.equal(ipv4Number("255.255.255.255" as Ipv4), 2 ** 32 - 1);
  });

  test("parsing accepts a four-part decimal text exactly when ipaddr.js does", () => {
    const part = fc.oneof(fc.nat(300).map(String), fc.constantFrom("", "00", "01", "256", "-1", "1e1"));
    fc.assert(
      fc.property(fc.array(part, { minLength: 3, maxLength: 5 }), (parts) => {
        const text = parts.join(".");
        // ipaddr.js reads leading zeros as octal, which we refuse.
        const expected = ipaddr.IPv4.isValidFourPartDecimal(text) && !/(^|\.)0\d/.test(text);
        assert.equal(
          parses(() => parseIpv4(text)),
          expected,
          text,
        );
      }),
    );
  });

  test("unicast is what a packet can be sent to", () => {
    for (const ip of ["1.0.0.1", "10.0.0.1", "169.254.1.1", "192.168.0.1", "223.255.255.255"]) {
      assert.equal(isUnicastIpv4(ip as Ipv4), true, ip);
    }
    for (const ip of [
      "0.0.0.0",
      "0.1.2.3",
      "127.0.0.1",
      "127.1.1.1",
      "224.0.0.1",
      "239.1.1.1",
      "240.0.0.1",
      "255.255.255.255",
    ]) {
      assert.equal(isUnicastIpv4(ip as Ipv4), false, ip);
    }
  });
});

describe("IPv4 prefixes", () => {
  test("host bits are masked off", () => {
    assert.equal(parsePrefix4("10.3.7.9/16"), "10.3.0.0/16");
    assert.equal(parsePrefix4("10.5.72.1/24"), "10.5.72.0/24");
    assert.equal(parsePrefix4("255.255.255.255/0"), "0.0.0.0/0");
    assert.equal(parsePrefix4("1.2.3.4/32"), "1.2.3.4/32");
  });

  test("text that is not address/length is refused", () => {
    for (const text of [
      "",
      "10.3.0.0",
      "10.3.0.0/",
      "10.3.0.0/33",
      "10.3.0.0/-1",
      "10.3.0.0/1x",
      "10.3.0/16",
      "fc00::/48",
      "10.3.0.0/16/1",
    ]) {
      assert.throws(
        () => parsePrefix4(text),
        (error) => isError(error, "address.invalid"),
        text,
      );
    }
  });

  test("the network address is that of ipaddr.js", () => {
    fc.assert(
      fc.property(address, fc.nat(32), (ip, length) => {
        const masked = parsePrefix4(`${ip}/${length}`);
        assert.equal(prefix4Address(masked), ipaddr.IPv4.networkAddressFromCIDR(`${ip}/${length}`).toString());
        assert.equal(prefixLength(masked), length);
        assert.equal(parsePrefix4(masked), masked);
      }),
    );
  });

  test("a prefix contains an address exactly when ipaddr.js matches it", () => {
    fc.assert(
      fc.property(fc.oneof(prefix, nearby), fc.oneof(address, nearby.map(prefix4Address)), (outer, ip) => {
        const expected = ipaddr.IPv4.parse(ip).match(ipaddr.IPv4.parseCIDR(outer));
        assert.equal(prefix4Contains(outer, ip), expected);
      }),
    );
  });

  test("a prefix contains another exactly when it contains its first and last address", () => {
    fc.assert(
      fc.property(nearby, nearby, (outer, inner) => {
        const first = prefix4Address(inner);
        const last = ipv4FromNumber(ipv4Number(first) + prefix4Size(prefixLength(inner)) - 1);
        assert.equal(prefix4Contains(outer, inner), prefix4Contains(outer, first) && prefix4Contains(outer, last));
      }),
    );
  });

  test("prefixes overlap exactly when they share an address", () => {
    const cases: [string, string, boolean][] = [
      ["1.2.3.0/24", "1.2.3.0/24", true],
      ["1.2.3.0/24", "1.2.0.0/16", true],
      ["1.2.3.0/24", "1.2.4.0/24", false],
      ["1.2.3.0/24", "7.2.4.0/22", false],
    ];
    for (const [a, b, expected] of cases) assert.equal(prefix4Overlaps(a as Prefix4, b as Prefix4), expected);
    fc.assert(
      fc.property(nearby, nearby, (a, b) => {
        assert.equal(prefix4Overlaps(a, b), sharesAddress(a, b));
        assert.equal(prefix4Overlaps(b, a), prefix4Overlaps(a, b));
      }),
    );
  });

  test("a host address counts from the network address and keeps the length", () => {
    assert.equal(hostAddress4("10.5.52.0/24" as Prefix4, 1), "10.5.52.1/24");
    assert.equal(hostAddress4("1.2.3.0/24" as Prefix4, 0), "1.2.3.0/24");
    assert.equal(hostAddress4("10.5.0.0/16" as Prefix4, 257), "10.5.1.1/16");
  });
});

function sharesAddress(a: Prefix4, b: Prefix4): boolean {
  const range = (prefix: Prefix4) => {
    const first = ipv4Number(prefix4Address(prefix));
    return { first, last: first + prefix4Size(prefixLength(prefix)) - 1 };
  };
  return range(a).first <= range(b).last && range(b).first <= range(a).last;
}

function parses(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}
