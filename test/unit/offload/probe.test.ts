import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseIpv4 } from "../../../src/base/ip.ts";
import { decodeAnswer, encodeProbe, LEFT_TO_DEVICE, type Probe } from "../../../src/offload/probe.ts";
import { icmpAnswer, tcpAnswer } from "../../fakes/fake-packet-socket.ts";
import { checksumPathTo } from "../../support/checksum-path.ts";

const PATH = checksumPathTo("10.5.20.0");
const [PEER] = PATH.peers;

function probe(changes: Partial<Probe> = {}): Probe {
  return { peer: PEER ?? assert.fail(), sourcePort: 61_234, sequence: 0xfffffffe, isComplete: true, ...changes };
}

/** RFC 1071: over a header whose checksum is right, the sum is all ones. */
function sumOf(octets: Uint8Array): number {
  let sum = 0;
  for (const [at, octet] of octets.entries()) sum += at % 2 === 0 ? octet * 256 : octet;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

function pseudoHeader(frame: Buffer): Buffer {
  return Buffer.concat([frame.subarray(26, 34), Buffer.from([0, 6, 0, frame.length - 34])]);
}

describe("a probe", () => {
  it("is a TCP SYN from us to the peer's port, in a frame to its MAC", () => {
    const frame = encodeProbe(PATH, probe());
    assert.equal(frame.subarray(0, 14).toString("hex"), "0200000000200200000000520800");
    assert.deepEqual([...frame.subarray(26, 34)], [10, 5, 52, 0, 10, 5, 20, 0]);
    assert.deepEqual([frame.readUInt16BE(34), frame.readUInt16BE(36)], [61_234, 8472]);
    assert.equal(frame.readUInt8(47), 0x02);
  });

  it("that is complete has right checksums", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.integer({ min: 1, max: 65_535 }),
        (sequence, sourcePort) => {
          const frame = encodeProbe(PATH, probe({ sequence, sourcePort }));
          assert.equal(sumOf(frame.subarray(14, 34)), 0xffff);
          assert.equal(sumOf(Buffer.concat([pseudoHeader(frame), frame.subarray(34)])), 0xffff);
        },
      ),
    );
  });

  it("that is left to the device differs in nothing but its checksum, which is that of the pseudo header", () => {
    const [complete, left] = [encodeProbe(PATH, probe()), encodeProbe(PATH, probe({ isComplete: false }))];
    const at = LEFT_TO_DEVICE.start + LEFT_TO_DEVICE.offset;
    assert.equal(left.readUInt16BE(at), sumOf(pseudoHeader(left)));
    assert.notEqual(left.readUInt16BE(at), complete.readUInt16BE(at));
    left.writeUInt16BE(complete.readUInt16BE(at), at);
    assert.deepEqual(left, complete);
  });
});

describe("an answer", () => {
  const sent = encodeProbe(PATH, probe());
  const wanted = { peer: parseIpv4("10.5.20.0"), sourcePort: 61_234, sequence: 0xfffffffe };

  it("is a RST, a SYN of somebody who listens, or an ICMP error of a firewall", () => {
    for (const frame of [tcpAnswer(sent, 0x14), tcpAnswer(sent, 0x12), icmpAnswer(sent)]) {
      assert.deepEqual(decodeAnswer(frame), wanted);
    }
  });

  it("is known by its number across the end of the numbers", () => {
    const last = encodeProbe(PATH, probe({ sequence: 0xffffffff }));
    assert.equal(decodeAnswer(tcpAnswer(last, 0x14))?.sequence, 0xffffffff);
  });

  it("is no packet of a connection, no ping and no probe of somebody else", () => {
    const echo = icmpAnswer(sent);
    echo.writeUInt8(0, 34);
    for (const frame of [tcpAnswer(sent, 0x10), echo, sent]) assert.equal(decodeAnswer(frame), null);
  });

  it("may be cut off anywhere, or be anything", () => {
    for (const whole of [tcpAnswer(sent, 0x14), icmpAnswer(sent)]) {
      for (let length = 0; length < whole.length; length += 1) decodeAnswer(whole.subarray(0, length));
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (octets) => void decodeAnswer(Buffer.from(octets))));
  });
});
