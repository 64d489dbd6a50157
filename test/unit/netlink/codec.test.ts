import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isError } from "../../../src/base/errors.ts";
import type { LinkName } from "../../../src/net/objects.ts";
import { decodeAddress, decodeInterfaceAddress } from "../../../src/netlink/address.ts";
import {
  attributesOf,
  encodeBody,
  encodeRequests,
  HEADER_LENGTH,
  type Message,
  messagesOf,
  textAttribute,
  u8Attribute,
  u16beAttribute,
  u32Attribute,
} from "../../../src/netlink/codec.ts";
import { readTranscript } from "../../../src/netlink/connection.ts";
import { decodeDefaultRoute } from "../../../src/netlink/default-route.ts";
import { decodeFdbEntry } from "../../../src/netlink/fdb.ts";
import { decodeLink } from "../../../src/netlink/link.ts";
import { decodeNeighbour, isPermanent, neighbourIndex } from "../../../src/netlink/neighbour.ts";
import { decodeRoute, decodeWay, maskRoute, routeIndex, routeTable } from "../../../src/netlink/route.ts";

const DEV = "flannel.1" as LinkName;

const DECODERS: Readonly<Record<string, (buffer: Buffer, message: Message) => unknown>> = {
  link: (buffer, message) => decodeLink(buffer, message, { nameOf: () => DEV, checksumOffloadOf: () => true }),
  address: (buffer, message) => decodeAddress(buffer, message, DEV),
  interfaceAddress: decodeInterfaceAddress,
  route: (buffer, message) => decodeRoute(buffer, message, DEV),
  way: decodeWay,
  defaultRoute: decodeDefaultRoute,
  maskRoute,
  routeIndex,
  routeTable,
  neighbour: (buffer, message) => decodeNeighbour(buffer, message, DEV),
  isPermanent,
  neighbourIndex,
  fdb: (buffer, message) => decodeFdbEntry(buffer, message, DEV),
};

/** Bytes that look like attributes often enough to get past the first check. */
const attributeBytes = fc
  .array(fc.record({ type: fc.integer({ min: 0, max: 30 }), payload: fc.uint8Array({ maxLength: 24 }) }), {
    maxLength: 6,
  })
  .map((attributes) =>
    encodeBody((out) => {
      for (const { type, payload } of attributes) out.push(type, Buffer.from(payload));
    }),
  );

const bodies = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  fc
    .tuple(fc.constantFrom(8, 12, 16), fc.uint8Array({ minLength: 16, maxLength: 16 }), attributeBytes)
    .map(([fixedPart, head, attributes]) => Buffer.concat([head.subarray(0, fixedPart), attributes])),
);

function malformedOrNothing(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch (error) {
    return isError(error, "netlink.malformed");
  }
}

describe("encodeRequests()", () => {
  it("numbers the requests and asks for an acknowledgement of the last one only", () => {
    const requests = [1, 2, 3].map((size) => ({ type: 24, flags: 0x500, body: Buffer.alloc(size, 7) }));
    const messages = [...messagesOf(encodeRequests(requests, 41))];
    assert.deepEqual(
      messages.map(({ type, flags, seq, start, end }) => ({ type, flags, seq, size: end - start })),
      [
        { type: 24, flags: 0x501, seq: 41, size: 1 },
        { type: 24, flags: 0x501, seq: 42, size: 2 },
        { type: 24, flags: 0x505, seq: 43, size: 3 },
      ],
    );
  });

  it("is read back by messagesOf() whatever the bodies are", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), (contents) => {
        const buffer = encodeRequests(
          contents.map((body) => ({ type: 28, flags: 0, body })),
          1,
        );
        const found = [...messagesOf(buffer)].map(({ start, end }) => [...buffer.subarray(start, end)]);
        assert.deepEqual(
          found,
          contents.map((body) => [...body]),
        );
      }),
    );
  });
});

describe("attributesOf()", () => {
  const read = (emit: Parameters<typeof encodeBody>[0]) => {
    const buffer = encodeRequests([{ type: 16, flags: 0, body: encodeBody(emit) }], 1);
    const [message] = messagesOf(buffer);
    assert.ok(message);
    return attributesOf(buffer, message, 0);
  };

  it("reads numbers and texts, and null for what is not there", () => {
    const attributes = read((out) => {
      out.push(1, Buffer.from([9]));
      out.push(2, Buffer.from([0x21, 0x18]));
      out.push(3, Buffer.from("flannel.1\0"));
    });
    assert.equal(u8Attribute(attributes, 1), 9);
    assert.equal(u16beAttribute(attributes, 2), 8472);
    assert.equal(textAttribute(attributes, 3), "flannel.1");
    assert.equal(u32Attribute(attributes, 4), null);
  });

  it("ignores the flags in an attribute's type", () => {
    const attributes = read((out) => out.emit(Buffer.from([5, 0, 3, 0x80, 42, 0, 0, 0])));
    assert.equal(u8Attribute(attributes, 3), 42);
  });

  it("calls an attribute malformed that is shorter than its type", () => {
    const attributes = read((out) => out.push(1, Buffer.from([9])));
    assert.throws(
      () => u32Attribute(attributes, 1),
      (error) => isError(error, "netlink.malformed"),
    );
  });

  it("calls an attribute malformed that is longer than its message", () => {
    assert.throws(
      () => read((out) => out.emit(Buffer.from([200, 0, 1, 0]))),
      (error) => isError(error, "netlink.malformed"),
    );
  });
});

describe("decoders", () => {
  it("throw nothing but netlink.malformed on arbitrary replies", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.ok(malformedOrNothing(() => [...messagesOf(Buffer.from(bytes))]));
        assert.ok(malformedOrNothing(() => readTranscript(Buffer.from(bytes), 0, 4)));
      }),
    );
  });

  it("throw nothing but netlink.malformed on arbitrary messages", () => {
    fc.assert(
      fc.property(bodies, fc.constantFrom(...Object.keys(DECODERS)), (body, name) => {
        const buffer = encodeRequests([{ type: 24, flags: 0, body }], 1);
        const message = { type: 24, flags: 0, seq: 1, port: 0, start: HEADER_LENGTH, end: HEADER_LENGTH + body.length };
        assert.ok(malformedOrNothing(() => DECODERS[name]?.(buffer, message)));
      }),
      { numRuns: 3000 },
    );
  });

  it("throw nothing but netlink.malformed on arbitrary acknowledgements", () => {
    fc.assert(
      fc.property(bodies, fc.constantFrom(2, 3), fc.integer({ min: 0, max: 0xffff }), (body, type, flags) => {
        const reply = encodeRequests([{ type, flags, body }], 1);
        assert.ok(malformedOrNothing(() => readTranscript(reply, 1, 1)));
      }),
      { numRuns: 2000 },
    );
  });
});
