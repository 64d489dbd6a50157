// A network in which each probe has the fate that the test gives it. Answers have the form that a kernel gives them.

import type { PacketSocket } from "../../src/base/packet-socket.ts";

export type Fate = "lost" | "refused" | "accepted" | "forbidden";

export interface SentProbe {
  readonly peer: string;
  /** The checksum was left to the device. */
  readonly isLeft: boolean;
}

export interface FakePackets {
  readonly open: () => PacketSocket;
  readonly sent: readonly SentProbe[];
  /** How often somebody has looked for an answer that was not there. */
  readonly looks: () => number;
}

const RST_ACK = 0x14;
const SYN_ACK = 0x12;

export function createFakePackets(fate: (probe: SentProbe) => Fate): FakePackets {
  const sent: SentProbe[] = [];
  let looks = 0;
  return {
    sent,
    looks: () => looks,
    open() {
      const answers: Buffer[] = [];
      return {
        send(frame, left) {
          const probe = { peer: frame.subarray(30, 34).join("."), isLeft: left !== null };
          sent.push(probe);
          const answer = answerTo(Buffer.from(frame), fate(probe));
          if (answer) answers.push(answer);
        },
        receive() {
          if (answers.length === 0) looks += 1;
          return answers.shift() ?? null;
        },
        [Symbol.dispose]: () => {},
      };
    },
  };
}

function answerTo(probe: Buffer, fate: Fate): Buffer | null {
  switch (fate) {
    case "lost":
      return null;
    case "refused":
      return tcpAnswer(probe, RST_ACK);
    case "accepted":
      return tcpAnswer(probe, SYN_ACK);
    case "forbidden":
      return icmpAnswer(probe);
  }
}

export function tcpAnswer(probe: Buffer, flags: number): Buffer {
  const answer = Buffer.concat([headers(probe, 6), Buffer.alloc(20)]);
  probe.copy(answer, 34, 36, 38);
  probe.copy(answer, 36, 34, 36);
  answer.writeUInt32BE((probe.readUInt32BE(38) + 1) >>> 0, 42);
  answer.writeUInt8(flags, 47);
  return answer;
}

/** Administratively prohibited, with the header and eight octets of what it is about. */
export function icmpAnswer(probe: Buffer): Buffer {
  return Buffer.concat([headers(probe, 1), Buffer.from([3, 13, 0, 0, 0, 0, 0, 0]), probe.subarray(14, 42)]);
}

function headers(probe: Buffer, protocol: number): Buffer {
  const answer = Buffer.alloc(34);
  probe.copy(answer, 0, 6, 12);
  probe.copy(answer, 6, 0, 6);
  probe.copy(answer, 12, 12, 24);
  answer.writeUInt8(protocol, 23);
  probe.copy(answer, 26, 30, 34);
  probe.copy(answer, 30, 26, 30);
  return answer;
}
