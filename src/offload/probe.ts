// The packets with which it is measured whether checksums arrive intact, and the answers to them: a TCP SYN to a port on
// which nobody listens, which every host answers with a RST if its checksum is right, and drops without a word if it is
// not. The answers themselves cannot be spoilt: Kernel: the checksums of a RST and of an ICMP error are computed in
// software (test/kernel/packet-socket.test.ts). Pure.

import { type Ipv4, ipv4FromNumber, ipv4Octets } from "../base/ip.ts";
import { macOctets } from "../base/mac.ts";
import type { ChecksumPath, ChecksumPeer } from "../net/checksum-path.ts";

export interface Probe {
  readonly peer: ChecksumPeer;
  readonly sourcePort: number;
  readonly sequence: number;
  /** The checksum is in the frame; otherwise it is left to the device, as the kernel does with its own packets. */
  readonly isComplete: boolean;
}

/** Which probe is answered. */
export interface Answer {
  readonly peer: Ipv4;
  readonly sourcePort: number;
  readonly sequence: number;
}

const ETHERNET = 14;
const IPV4 = 20;
/** With one option, the largest segment: some firewalls drop a SYN without. */
const TCP = 24;
const TCP_START = ETHERNET + IPV4;

/** What is left to the device: all from the TCP header on, and where in that the checksum stands. */
export const LEFT_TO_DEVICE = { start: TCP_START, offset: 16 };

const ETHERTYPE_IPV4 = 0x0800;
const PROTOCOL_ICMP = 1;
const PROTOCOL_TCP = 6;
const DONT_FRAGMENT = 0x4000;
const SYN = 0x02;
const RST = 0x04;
const ACK = 0x10;
const UNREACHABLE = 3;

/** An Ethernet frame. */
export function encodeProbe({ mac, address, port }: ChecksumPath, probe: Probe): Buffer {
  // A path has peers of IPv4 alone.
  const peer = probe.peer.ip as Ipv4;
  const frame = Buffer.alloc(TCP_START + TCP);
  frame.set(macOctets(probe.peer.mac), 0);
  frame.set(macOctets(mac), 6);
  frame.writeUInt16BE(ETHERTYPE_IPV4, 12);
  writeIpv4(frame.subarray(ETHERNET, TCP_START), address, peer);
  const tcp = frame.subarray(TCP_START);
  tcp.writeUInt16BE(probe.sourcePort, 0);
  tcp.writeUInt16BE(port, 2);
  tcp.writeUInt32BE(probe.sequence, 4);
  tcp.writeUInt16BE(((TCP / 4) << 12) | SYN, 12);
  tcp.writeUInt16BE(64_240, 14);
  tcp.set([2, 4, 0x05, 0x78], 20);
  const pseudo = sum(ipv4Octets(address)) + sum(ipv4Octets(peer)) + PROTOCOL_TCP + TCP;
  // Kernel: where a device is to complete a checksum, it finds the pseudo header's sum, and adds the rest.
  const checksum = probe.isComplete ? ~fold(pseudo + sum(tcp)) & 0xffff : fold(pseudo);
  tcp.writeUInt16BE(checksum, LEFT_TO_DEVICE.offset);
  return frame;
}

function writeIpv4(header: Buffer, source: Ipv4, destination: Ipv4): void {
  header.writeUInt16BE(0x4500, 0);
  header.writeUInt16BE(IPV4 + TCP, 2);
  header.writeUInt16BE(DONT_FRAGMENT, 6);
  header.writeUInt8(64, 8);
  header.writeUInt8(PROTOCOL_TCP, 9);
  header.set(ipv4Octets(source), 12);
  header.set(ipv4Octets(destination), 16);
  header.writeUInt16BE(~fold(sum(header)) & 0xffff, 10);
}

/** Null for a frame that answers no probe. `frame` may be cut off, and may say anything. */
export function decodeAnswer(frame: Buffer): Answer | null {
  if (frame.length < TCP_START || frame.readUInt16BE(12) !== ETHERTYPE_IPV4) return null;
  const ip = frame.subarray(ETHERNET);
  const payload = ip.subarray(headerLength(ip));
  switch (ip.readUInt8(9)) {
    case PROTOCOL_TCP:
      return answerOfTcp(addressAt(ip, 12), payload);
    case PROTOCOL_ICMP:
      return answerOfIcmp(payload);
    default:
      return null;
  }
}

/** A RST, or, should somebody listen, the next step of a connection, which our own kernel then refuses. */
function answerOfTcp(peer: Ipv4, tcp: Buffer): Answer | null {
  if (tcp.length < 14) return null;
  const flags = tcp.readUInt8(13);
  if ((flags & ACK) === 0 || (flags & (RST | SYN)) === 0) return null;
  return { peer, sourcePort: tcp.readUInt16BE(2), sequence: (tcp.readUInt32BE(8) - 1) >>> 0 };
}

/** A firewall that refuses with an ICMP error, which has the beginning of our packet in it, has got it intact, too. */
function answerOfIcmp(icmp: Buffer): Answer | null {
  const ip = icmp.subarray(8);
  if (ip.length < IPV4 + 8 || icmp.readUInt8(0) !== UNREACHABLE || ip.readUInt8(9) !== PROTOCOL_TCP) return null;
  const tcp = ip.subarray(headerLength(ip));
  if (tcp.length < 8) return null;
  return { peer: addressAt(ip, 16), sourcePort: tcp.readUInt16BE(0), sequence: tcp.readUInt32BE(4) };
}

function headerLength(ip: Buffer): number {
  return (ip.readUInt8(0) & 15) * 4;
}

function addressAt(ip: Buffer, offset: number): Ipv4 {
  return ipv4FromNumber(ip.readUInt32BE(offset));
}

/** Of 16-bit words, as RFC 1071 has it; an even number of octets. */
function sum(octets: Uint8Array): number {
  let total = 0;
  for (let at = 0; at < octets.length; at += 2) total += ((octets[at] ?? 0) << 8) + (octets[at + 1] ?? 0);
  return total;
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}
