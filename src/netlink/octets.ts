// IP and MAC addresses between their text and the bytes of an attribute.

import { type Family, type Ip, type Ipv4, ipv4FromNumber, ipv4Octets } from "../base/ip.ts";
import { type Ipv6, ipv6FromNumber, ipv6Octets } from "../base/ipv6.ts";
import type { Mac } from "../base/mac.ts";
import { type Attributes, malformed } from "./codec.ts";
import { AF_INET, AF_INET6 } from "./constants.ts";

/** A table, because a sweep formats thousands of MACs. */
const HEX = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, "0"));

const MAC_LENGTH = 6;

export function familyOf(address: string): typeof AF_INET | typeof AF_INET6 {
  return address.includes(":") ? AF_INET6 : AF_INET;
}

/** The number of a family. */
export const AF: Readonly<Record<Family, typeof AF_INET | typeof AF_INET6>> = { ipv4: AF_INET, ipv6: AF_INET6 };

export function encodeIp(ip: Ip): Buffer {
  return Buffer.from(ip.includes(":") ? ipv6Octets(ip as Ipv6) : ipv4Octets(ip as Ipv4));
}

export function decodeIp(buffer: Buffer, start: number, end: number): Ip {
  if (end - start === 4) return ipv4FromNumber(buffer.readUInt32BE(start));
  if (end - start !== 16) throw malformed(`address of ${end - start} bytes`, start);
  return ipv6FromNumber((buffer.readBigUInt64BE(start) << 64n) | buffer.readBigUInt64BE(start + 8));
}

export function ipAttribute({ buffer, spans }: Attributes, type: number): Ip | null {
  const span = spans.get(type);
  return span ? decodeIp(buffer, span.start, span.end) : null;
}

/** Null also for the addresses of other media (InfiniBand, tunnels), which are no MACs. */
export function macAttribute({ buffer, spans }: Attributes, type: number): Mac | null {
  const span = spans.get(type);
  if (!span || span.end - span.start !== MAC_LENGTH) return null;
  const octet = (index: number) => HEX[buffer[span.start + index] ?? 0];
  return `${octet(0)}:${octet(1)}:${octet(2)}:${octet(3)}:${octet(4)}:${octet(5)}` as Mac;
}
