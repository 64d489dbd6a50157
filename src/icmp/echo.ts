// ICMP echo messages as bytes, of both families. Pure. Only what is about our own requests is decoded; a raw socket hears
// every ICMP message of the host.

import type { Family } from "../base/ip.ts";

/** Which request a message is about. */
export interface EchoId {
  readonly id: number;
  readonly sequence: number;
}

export type EchoNews = EchoId &
  (
    | { readonly kind: "reply" }
    /** A router cannot pass it on whole; `mtu` is 0 when it does not say what it could. */
    | { readonly kind: "too-big"; readonly mtu: number }
    | { readonly kind: "unreachable"; readonly reason: string }
  );

/** Of the IP header, without options. */
export const HEADER: Readonly<Record<Family, number>> = { ipv4: 20, ipv6: 40 };
const ICMP_HEADER = 8;

/** RFC 792, RFC 4443 */
const TYPES = {
  ipv4: { request: 8, reply: 0, unreachable: 3, exceeded: 11 },
  ipv6: { request: 128, reply: 129, unreachable: 1, exceeded: 3 },
} as const;
const FRAGMENTATION_NEEDED = 4;
const PACKET_TOO_BIG = 2;

/** What is let through to us, for a socket's filter. */
export const HEARD: Readonly<Record<Family, readonly number[]>> = {
  ipv4: [TYPES.ipv4.reply, TYPES.ipv4.unreachable, TYPES.ipv4.exceeded],
  ipv6: [TYPES.ipv6.reply, TYPES.ipv6.unreachable, PACKET_TOO_BIG, TYPES.ipv6.exceeded],
};

const REASONS: Readonly<Record<Family, Readonly<Record<number, string>>>> = {
  ipv4: {
    0: "network unreachable",
    1: "host unreachable",
    2: "protocol unreachable",
    3: "port unreachable",
    9: "forbidden by an administrator",
    10: "forbidden by an administrator",
    13: "forbidden by an administrator",
  },
  ipv6: {
    0: "no route",
    1: "forbidden by an administrator",
    3: "address unreachable",
    5: "forbidden by an administrator",
    6: "route refused",
  },
};

/** The ICMP message of a packet of `size` bytes, IP header included. The kernel fills in the checksum of ICMPv6. */
export function encodeEchoRequest(family: Family, { id, sequence }: EchoId, size: number): Buffer {
  const message = Buffer.alloc(Math.max(size - HEADER[family], ICMP_HEADER));
  message[0] = TYPES[family].request;
  message.writeUInt16BE(id, 4);
  message.writeUInt16BE(sequence, 6);
  if (family === "ipv4") message.writeUInt16BE(checksum(message), 2);
  return message;
}

/** RFC 1071, of a message whose checksum is still 0. */
export function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/**
 * Null for what is about no echo request, or too short. Kernel: a raw socket gives the IP header with IPv4, and not with
 * IPv6.
 */
export function decodeEchoNews(family: Family, packet: Buffer): EchoNews | null {
  const icmp = family === "ipv4" ? packet.subarray(headerLength(packet)) : packet;
  if (icmp.length < ICMP_HEADER) return null;
  const [type = -1, code = -1] = icmp;
  if (type === TYPES[family].reply) return { kind: "reply", ...echoIdOf(icmp) };
  const about = requestWithin(family, icmp.subarray(ICMP_HEADER));
  if (!about) return null;
  if (family === "ipv6" && type === PACKET_TOO_BIG) return { kind: "too-big", mtu: icmp.readUInt32BE(4), ...about };
  if (type === TYPES[family].exceeded) return { kind: "unreachable", reason: "packets go in a circle", ...about };
  if (type !== TYPES[family].unreachable) return null;
  if (family === "ipv4" && code === FRAGMENTATION_NEEDED) {
    return { kind: "too-big", mtu: icmp.readUInt16BE(6), ...about };
  }
  return { kind: "unreachable", reason: REASONS[family][code] ?? `unreachable (code ${code})`, ...about };
}

/** The request that an error message quotes. */
function requestWithin(family: Family, quoted: Buffer): EchoId | null {
  const icmp = quoted.subarray(family === "ipv4" ? headerLength(quoted) : HEADER.ipv6);
  return icmp.length >= ICMP_HEADER && icmp[0] === TYPES[family].request ? echoIdOf(icmp) : null;
}

function headerLength(packet: Buffer): number {
  return ((packet[0] ?? 0) & 0x0f) * 4;
}

function echoIdOf(icmp: Buffer): EchoId {
  return { id: icmp.readUInt16BE(4), sequence: icmp.readUInt16BE(6) };
}
