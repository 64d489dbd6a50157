import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Family } from "../../../src/base/ip.ts";
import { checksum, decodeEchoNews, encodeEchoRequest, HEADER } from "../../../src/icmp/echo.ts";

const ID = { id: 0x1234, sequence: 7 };
const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];

/** As it arrives at a raw socket: with the IP header of IPv4. */
function received(family: Family, icmp: Buffer, options = 0): Buffer {
  if (family === "ipv6") return icmp;
  const header = Buffer.alloc(20 + options);
  header[0] = 0x40 | (header.length / 4);
  return Buffer.concat([header, icmp]);
}

/** The start of the packet that an error is about. */
function quoted(family: Family): Buffer {
  const request = encodeEchoRequest(family, ID, 84);
  return family === "ipv4" ? received("ipv4", request) : Buffer.concat([Buffer.alloc(40), request]);
}

function error(family: Family, type: number, code: number, mtu = 0): Buffer {
  const head = Buffer.alloc(8);
  head[0] = type;
  head[1] = code;
  if (family === "ipv4") head.writeUInt16BE(mtu, 6);
  else head.writeUInt32BE(mtu, 4);
  return received(family, Buffer.concat([head, quoted(family)]));
}

describe("an echo request", () => {
  it("has the size that the IP packet shall have, and is never less than its header", () => {
    for (const family of FAMILIES) {
      assert.equal(encodeEchoRequest(family, ID, 1500).length, 1500 - HEADER[family]);
      assert.equal(encodeEchoRequest(family, ID, 1).length, 8);
    }
  });

  it("of IPv4 carries a checksum that adds up", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0, max: 0xffff }), (id, sequence) => {
        assert.equal(checksum(encodeEchoRequest("ipv4", { id, sequence }, 85)), 0);
      }),
    );
  });
});

describe("what a raw socket hears", () => {
  it("is a reply, also behind IP options", () => {
    for (const family of FAMILIES) {
      const reply = encodeEchoRequest(family, ID, 84);
      reply[0] = family === "ipv4" ? 0 : 129;
      assert.deepEqual(decodeEchoNews(family, received(family, reply, 8)), { kind: "reply", ...ID });
    }
  });

  it("is a router that says how much it can pass on", () => {
    assert.deepEqual(decodeEchoNews("ipv4", error("ipv4", 3, 4, 1400)), { kind: "too-big", mtu: 1400, ...ID });
    assert.deepEqual(decodeEchoNews("ipv6", error("ipv6", 2, 0, 1280)), { kind: "too-big", mtu: 1280, ...ID });
  });

  it("is why a packet did not get there", () => {
    const reasonOf = (family: Family, type: number, code: number) => {
      const news = decodeEchoNews(family, error(family, type, code));
      return news?.kind === "unreachable" ? news.reason : news;
    };
    assert.equal(reasonOf("ipv4", 3, 1), "host unreachable");
    assert.equal(reasonOf("ipv4", 3, 13), "forbidden by an administrator");
    assert.equal(reasonOf("ipv4", 3, 99), "unreachable (code 99)");
    assert.equal(reasonOf("ipv4", 11, 0), "packets go in a circle");
    assert.equal(reasonOf("ipv6", 1, 3), "address unreachable");
  });

  it("is not of interest when it is about something else, and never throws", () => {
    const request = received("ipv4", encodeEchoRequest("ipv4", ID, 84));
    assert.equal(decodeEchoNews("ipv4", request), null);
    const aboutUdp = error("ipv4", 3, 3);
    aboutUdp[20 + 8 + 20] = 53;
    assert.equal(decodeEchoNews("ipv4", aboutUdp), null);
    fc.assert(
      fc.property(fc.constantFrom(...FAMILIES), fc.uint8Array({ maxLength: 80 }), (family, bytes) => {
        decodeEchoNews(family, Buffer.from(bytes));
      }),
    );
  });
});
