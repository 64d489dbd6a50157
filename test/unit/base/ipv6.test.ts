import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { isError } from "../../../src/base/errors.ts";
import {
  ipv6FromNumber,
  ipv6Number,
  ipv6Octets,
  parseIpv6,
  parsePrefix6,
  prefix6Overlaps,
} from "../../../src/base/ipv6.ts";

/** Groups with many zeros, so that the compression rules are met. */
const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 });

describe("IPv6 addresses", () => {
  test("every spelling becomes RFC 5952 text", () => {
    const cases: [string, string][] = [
      ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
      ["2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1"],
      ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
      ["2001:0:0:1:1:0:0:1", "2001::1:1:0:0:1"],
      ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
      ["0:0:0:0:0:0:0:0", "::"],
      ["fc00:0:0:1::", "fc00:0:0:1::"],
      ["fd00::0012:0013", "fd00::12:13"],
      ["::ffff:10.0.0.1", "::ffff:a00:1"],
      ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ];
    for (const [text, expected] of cases) assert.equal(parseIpv6(text), expected);
  });

  test("what is no IPv6 address, or has a zone, is refused", () => {
    for (const text of [
      "",
      ":",
      ":::",
      "1::2::3",
      "12345::",
      "fe80::1%eth0",
      "10.0.0.1",
      "::1/128",
      "g::",
      "1:2:3:4:5:6:7",
    ]) {
      assert.throws(
        () => parseIpv6(text),
        (error) => isError(error, "address.invalid"),
        text,
      );
    }
  });

  test("text, number and octets are the same address, as ipaddr.js has it", () => {
    fc.assert(
      fc.property(groups, (parts) => {
        const ip = parseIpv6(parts.map((part) => part.toString(16)).join(":"));
        const oracle = new ipaddr.IPv6(parts);
        assert.equal(ip, oracle.toRFC5952String());
        assert.deepEqual([...ipv6Octets(ip)], oracle.toByteArray());
        assert.equal(ipv6FromNumber(ipv6Number(ip)), ip);
        assert.equal(parseIpv6(ip), ip);
      }),
    );
  });
});

describe("IPv6 prefixes", () => {
  test("host bits are masked off as ipaddr.js does", () => {
    fc.assert(
      fc.property(groups, fc.nat(128), (parts, length) => {
        const text = `${parts.map((part) => part.toString(16)).join(":")}/${length}`;
        const network = ipaddr.IPv6.networkAddressFromCIDR(text) as ipaddr.IPv6;
        assert.equal(parsePrefix6(text), `${network.toRFC5952String()}/${length}`);
      }),
    );
  });

  test("overlap when they are equal under the shorter mask", () => {
    const overlaps = (a: string, b: string) => prefix6Overlaps(parsePrefix6(a), parsePrefix6(b));
    assert.equal(overlaps("fd00:5::/48", "fd00:5:0:7::/64"), true);
    assert.equal(overlaps("fd00:5:0:7::/64", "fd00:5::/48"), true);
    assert.equal(overlaps("fd00:5::/48", "fd00:6::/48"), false);
    assert.equal(overlaps("fd00:5:0:8000::/49", "fd00:5::/49"), false);
    assert.equal(overlaps("::/0", "fd00:5::/48"), true);
  });

  test("what is not address/length is refused", () => {
    for (const text of ["", "fc00::", "fc00::/", "fc00::/129", "fc00::/-1", "fc00::/4x", "10.0.0.0/8", "fc00::/48/1"]) {
      assert.throws(
        () => parsePrefix6(text),
        (error) => isError(error, "address.invalid"),
        text,
      );
    }
  });
});
