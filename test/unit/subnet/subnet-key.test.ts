import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Ipv4, ipv4FromNumber, prefix4 } from "../../../src/base/ip.ts";
import { ipv6FromNumber, parsePrefix6 } from "../../../src/base/ipv6.ts";
import type { Subnet } from "../../../src/subnet/lease.ts";
import { formatSubnetKey, parseSubnetKey } from "../../../src/subnet/subnet-key.ts";

const address4 = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((value): Ipv4 => ipv4FromNumber(value));
const v4 = fc.tuple(address4, fc.integer({ min: 0, max: 31 })).map(([address, length]) => prefix4(address, length));
const v6 = fc
  .tuple(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), fc.integer({ min: 0, max: 127 }))
  .map(([value, length]) => parsePrefix6(`${ipv6FromNumber(value)}/${length}`));

describe("a subnet key", () => {
  it("is read back as the subnet that it was written for", () => {
    fc.assert(
      fc.property(fc.record<Subnet>({ v4, v6: fc.option(v6) }, { noNullPrototype: true }), (subnet) => {
        assert.deepEqual(parseSubnetKey(formatSubnetKey(subnet)), subnet);
      }),
    );
  });

  it("is what the Go daemon writes", () => {
    assert.deepEqual(parseSubnetKey("10.5.52.0-24"), { v4: "10.5.52.0/24", v6: null });
    assert.deepEqual(parseSubnetKey("10.12.13.0-24&fd00:12:13::-56"), { v4: "10.12.13.0/24", v6: "fd00:12:13::/56" });
    assert.deepEqual(parseSubnetKey("0.0.0.0-0&fc00:0:0:1::-64"), { v4: "0.0.0.0/0", v6: "fc00:0:0:1::/64" });
  });

  it("may have an IPv6 address that a person wrote in another form", () => {
    assert.deepEqual(parseSubnetKey("10.5.52.0-24&fd00:0:0:0:0:0:0:0-64").v6, "fd00::/64");
  });

  for (const text of [
    "",
    "10",
    "10.12.13.0",
    "10.12.13-24",
    "10.12.13.300-24",
    "10.12.13.0-24hi",
    "x10.12.13.0-24",
    "deeper/10.12.13.0-24",
    "10.12.13.0-24\n",
    "10x12y13.0-24",
    "010.12.13.0-24",
    "10.12.13.0-024",
    "10.12.13.0-32",
    "10.12.13.0-99",
    "10.12.13.1-24",
    "&2001::-56",
    "10.12.13.0-24&",
    "10.12.13.0-24&:12:13:-56",
    "10.12.13.0-24&20011::-56",
    "10.12.13.0-24&2001-56",
    "10.12.13.0-24&2001::",
    "10.12.13.0-24&2001::-56hi",
    "10.12.13.0-24&2001::-128",
    "10.12.13.0-24&2001::1-56",
    "10.12.13.0-24&FD00::-56",
    "10.12.13.0-24&::ffff:1.2.3.4-56",
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseSubnetKey(text), { code: "address.invalid" });
    });
  }
});
