import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { beforeEach, describe, it } from "node:test";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";
import { parseIpv4 } from "../../src/base/ip.ts";
import { parseMac } from "../../src/base/mac.ts";
import type { ChecksumPath } from "../../src/net/checksum-path.ts";
import type { LinkName } from "../../src/net/objects.ts";
import { decodeAnswer, encodeProbe, LEFT_TO_DEVICE, type Probe } from "../../src/offload/probe.ts";
import { ip, whyNotHere } from "../support/namespace.ts";
import { openNative } from "../support/native.ts";
import { checksum } from "../support/raw-peer.ts";
import { underlayAt } from "../support/vxlan-host.ts";

const { signal } = new AbortController();
const HOME = parseIpv4("127.0.0.1");
const PORT = 9;
const PEER = { mac: parseMac("00:00:00:00:00:00"), ip: HOME };
const PATH: ChecksumPath = {
  device: "lo" as LinkName,
  mac: PEER.mac,
  address: HOME,
  port: PORT,
  underlay: underlayAt(HOME),
  peers: [PEER],
};

function code(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function probe(sourcePort: number, isComplete: boolean): Probe {
  return { peer: PEER, sourcePort, sequence: 7, isComplete };
}

/** 0 when the checksum in the segment is right. */
function checksumOf(frame: Buffer): number {
  const length = frame.readUInt16BE(16) - 20;
  const pseudo = Buffer.concat([frame.subarray(26, 34), Buffer.from([0, 6, 0, length])]);
  return checksum(Buffer.concat([pseudo, frame.subarray(34, 34 + length)]));
}

/** Kernel: what a packet socket sends through lo is taken for a packet from outside, which must not have our addresses. */
function acceptOwnAddresses(): void {
  for (const setting of ["route_localnet", "accept_local"]) writeFileSync(`/proc/sys/net/ipv4/conf/lo/${setting}`, "1");
}

describe("a packet socket", { skip: whyNotHere() }, () => {
  beforeEach(() => {
    ip("link set lo up");
    acceptOwnAddresses();
  });

  it("says that there is no such device", () => {
    assert.throws(
      () => openNative().openPacketSocket("nowhere0", HOME, PORT),
      (error) => code(error) === "ENODEV",
    );
  });

  it("can be closed twice, and sends and receives nothing then", () => {
    const socket = openNative().openPacketSocket("lo", HOME, PORT);
    assert.equal(socket.receive(), null);
    socket[Symbol.dispose]();
    socket[Symbol.dispose]();
    for (const use of [() => socket.send(Buffer.alloc(60), null), () => socket.receive()]) {
      assert.throws(use, (error) => code(error) === "EBADF");
    }
  });

  it("says that the device is down", () => {
    using socket = openNative().openPacketSocket("lo", HOME, PORT);
    ip("link set lo down");
    assert.throws(
      () => socket.send(encodeProbe(PATH, probe(61_001, true)), null),
      (error) => code(error) === "ENETDOWN",
    );
  });

  it("gets an answer to a probe whose checksum is complete, or is left to the device, and none to one that is wrong", async () => {
    using socket = openNative().openPacketSocket("lo", HOME, PORT);
    const answered = new Set<number>();
    const wrong = encodeProbe(PATH, probe(61_003, true));
    wrong.writeUInt16BE(wrong.readUInt16BE(50) ^ 1, 50);
    // What was left to the device and then forgotten is as wrong.
    socket.send(wrong, null);
    socket.send(encodeProbe(PATH, probe(61_004, false)), null);
    socket.send(encodeProbe(PATH, probe(61_001, true)), null);
    socket.send(encodeProbe(PATH, probe(61_002, false)), LEFT_TO_DEVICE);
    const look = () => {
      for (let frame = socket.receive(); frame !== null; frame = socket.receive()) {
        const answer = decodeAnswer(frame);
        assert.deepEqual([answer?.peer, answer?.sequence], [HOME, 7]);
        if (answer) answered.add(answer.sourcePort);
      }
      return answered.has(61_001) && answered.has(61_002) ? true : null;
    };
    await waitFor("two answers", look, seconds(10), signal);
    assert.equal(answered.size, 2, [...answered].join());
  });

  it("sees only what comes from the port, or by ICMP, to the address", async () => {
    using socket = openNative().openPacketSocket("lo", HOME, PORT);
    using elsewhere = openNative().openPacketSocket("lo", parseIpv4("127.0.0.2"), PORT);
    using other = openNative().openPacketSocket("lo", HOME, PORT + 1);
    socket.send(encodeProbe(PATH, probe(61_001, true)), null);
    await waitFor("the answer", () => socket.receive(), seconds(10), signal);
    assert.equal(elsewhere.receive(), null);
    assert.equal(other.receive(), null);
  });
});

describe("the kernel's checksums", { skip: whyNotHere() }, () => {
  beforeEach(() => ip("link set lo up"));

  it("are left to the device in a SYN, and complete in the RST that answers it", async () => {
    const native = openNative();
    using answers = native.openPacketSocket("lo", HOME, PORT);
    const localPort = 61_005;
    using own = native.openPacketSocket("lo", HOME, localPort);
    await new Promise<void>((done) => {
      connect({ host: HOME, port: PORT, localPort }).on("error", () => done());
    });
    const syn = await waitFor("the SYN", () => own.receive(), seconds(10), signal);
    const rst = await waitFor("the RST", () => answers.receive(), seconds(10), signal);
    assert.equal(decodeAnswer(rst)?.sourcePort, localPort);
    assert.notEqual(checksumOf(syn), 0);
    assert.equal(checksumOf(rst), 0);
  });
});
