// IP addresses and prefixes as branded canonical strings: `===` is equality, they key a Map, print in logs and travel
// in JSON as they are. All arithmetic on IPv4 is in this file; that on IPv6 is in ipv6.ts.

import type { Brand } from "./brand.ts";
import { FlannelError } from "./errors.ts";
import type { Ipv6, Prefix6 } from "./ipv6.ts";

/** Dotted quad without leading zeros: "10.5.52.0". */
export type Ipv4 = Brand<string, "Ipv4">;
export type Ip = Ipv4 | Ipv6;

export type Family = "ipv4" | "ipv6";

export const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];
/** As people write them. */
export const FAMILY_NAMES = { ipv4: "IPv4", ipv6: "IPv6" } as const satisfies Readonly<Record<Family, string>>;

/** Where an IPv4 address is expected of a host that has none. Compat: the Go daemon's records say it so. */
export const NO_IPV4 = "0.0.0.0" as Ipv4;

/** Network address and length, host bits zero: "10.5.52.0/24". */
export type Prefix4 = Brand<string, "Prefix4">;
export type Prefix = Prefix4 | Prefix6;

/** An address with its prefix length, host bits kept: "10.5.52.1/24". */
export type IfAddr = Brand<string, "IfAddr">;

const OCTET = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4_TEXT = new RegExp(`^${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}$`);

/** Throws `address.invalid` unless the text is a dotted quad without leading zeros. */
export function parseIpv4(text: string): Ipv4 {
  if (!IPV4_TEXT.test(text)) throw new FlannelError("address.invalid", { text, wanted: "an IPv4 address" });
  return text as Ipv4;
}

/** Throws `address.invalid` unless the text is IPv4/length; host bits are masked off. */
export function parsePrefix4(text: string): Prefix4 {
  const match = /^([\d.]+)\/(\d{1,2})$/.exec(text);
  const length = Number(match?.[2]);
  if (!match || length > 32 || !IPV4_TEXT.test(match[1] ?? "")) {
    throw new FlannelError("address.invalid", { text, wanted: "an IPv4 prefix such as 10.5.0.0/16" });
  }
  return prefix4(match[1] as Ipv4, length);
}

/** The address as an unsigned 32-bit number, host byte order. */
export function ipv4Number(ip: Ipv4): number {
  const [a = 0, b = 0, c = 0, d = 0] = ip.split(".").map(Number);
  return a * 0x1000000 + (b << 16) + (c << 8) + d;
}

/** Inverse of ipv4Number; the number must be in [0, 2^32). */
export function ipv4FromNumber(value: number): Ipv4 {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}` as Ipv4;
}

export function ipv4Octets(ip: Ipv4): Uint8Array {
  return Uint8Array.from(ip.split("."), Number);
}

export function prefix4(address: Ipv4, length: number): Prefix4 {
  return `${ipv4FromNumber(networkNumber(ipv4Number(address), length))}/${length}` as Prefix4;
}

export function prefixLength(prefix: Prefix | IfAddr): number {
  return Number(prefix.slice(prefix.indexOf("/") + 1));
}

export function familyOf(address: Ip | Prefix | IfAddr): Family {
  return address.includes(":") ? "ipv6" : "ipv4";
}

export function prefix4Address(prefix: Prefix4 | IfAddr): Ipv4 {
  return prefix.slice(0, prefix.indexOf("/")) as Ipv4;
}

/** Number of addresses in a prefix of this length. */
export function prefix4Size(length: number): number {
  return 2 ** (32 - length);
}

export function prefix4Contains(outer: Prefix4, inner: Prefix4 | Ipv4): boolean {
  const slash = inner.indexOf("/");
  const length = prefixLength(outer);
  if (slash !== -1 && prefixLength(inner as Prefix4) < length) return false;
  const address = (slash === -1 ? inner : inner.slice(0, slash)) as Ipv4;
  return networkNumber(ipv4Number(address), length) === ipv4Number(prefix4Address(outer));
}

/** Equal under the shorter of the two masks. */
export function prefix4Overlaps(a: Prefix4, b: Prefix4): boolean {
  return prefix4Contains(a, prefix4Address(b)) || prefix4Contains(b, prefix4Address(a));
}

/** The address `offset` places after the network address, with the prefix's length: (10.5.52.0/24, 1) is 10.5.52.1/24. */
export function hostAddress4(subnet: Prefix4, offset: number): IfAddr {
  return `${ipv4FromNumber(ipv4Number(prefix4Address(subnet)) + offset)}/${prefixLength(subnet)}` as IfAddr;
}

/** True for an address that a packet can be sent to and that is not this host alone: no 0/8, 127/8, 224/4 or 240/4. */
export function isUnicastIpv4(ip: Ipv4): boolean {
  const first = Number(ip.slice(0, ip.indexOf(".")));
  return first > 0 && first < 224 && first !== 127;
}

/** Of 169.254.0.0/16, which a host gives itself when nobody gives it an address (RFC 3927). */
export function isLinkLocalIpv4(ip: Ipv4): boolean {
  return ip.startsWith("169.254.");
}

function networkNumber(value: number, length: number): number {
  const size = prefix4Size(length);
  return Math.floor(value / size) * size;
}
