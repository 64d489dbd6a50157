// IPv6 addresses and prefixes as canonical text (RFC 5952).

import { isIPv6 } from "node:net";
import type { Brand } from "./brand.ts";
import { FlannelError } from "./errors.ts";
import type { IfAddr } from "./ip.ts";

/** RFC 5952 text: lower case, longest zero run compressed. */
export type Ipv6 = Brand<string, "Ipv6">;

/** Network address and length, host bits zero: "fd00:12:13::/56". */
export type Prefix6 = Brand<string, "Prefix6">;

/** Throws `address.invalid` unless the text is an IPv6 address without a zone. */
export function parseIpv6(text: string): Ipv6 {
  if (!isIPv6(text) || text.includes("%"))
    throw new FlannelError("address.invalid", { text, wanted: "an IPv6 address" });
  return formatIpv6(groupsOf(text));
}

/** Throws `address.invalid` unless the text is IPv6/length; host bits are masked off. */
export function parsePrefix6(text: string): Prefix6 {
  const [address = "", lengthText = "", ...rest] = text.split("/");
  const length = Number(lengthText);
  if (!isIPv6(address) || rest.length > 0 || !/^\d{1,3}$/.test(lengthText) || length > 128) {
    throw new FlannelError("address.invalid", { text, wanted: "an IPv6 prefix such as fd00::/48" });
  }
  return `${ipv6FromNumber(networkNumber(numberOf(groupsOf(address)), length))}/${length}` as Prefix6;
}

/** The address as an unsigned 128-bit number. */
export function ipv6Number(ip: Ipv6): bigint {
  return numberOf(groupsOf(ip));
}

/** Inverse of ipv6Number. */
export function ipv6FromNumber(value: bigint): Ipv6 {
  const groups = Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(112 - 16 * index)) & 0xffffn));
  return formatIpv6(groups);
}

export function prefix6Address(prefix: Prefix6 | IfAddr): Ipv6 {
  return prefix.slice(0, prefix.indexOf("/")) as Ipv6;
}

/** The prefix of this length around the address. */
export function prefix6(address: Ipv6, length: number): Prefix6 {
  return `${ipv6FromNumber(networkNumber(ipv6Number(address), length))}/${length}` as Prefix6;
}

export function prefix6Contains(outer: Prefix6, inner: Prefix6 | Ipv6): boolean {
  const slash = inner.indexOf("/");
  const length = lengthOf(outer);
  if (slash !== -1 && lengthOf(inner as Prefix6) < length) return false;
  const address = (slash === -1 ? inner : inner.slice(0, slash)) as Ipv6;
  return networkNumber(ipv6Number(address), length) === ipv6Number(prefix6Address(outer));
}

/** The address `offset` places after the network address, with the prefix's length: (fd00::/64, 1) is fd00::1/64. */
export function hostAddress6(subnet: Prefix6, offset: number): IfAddr {
  return `${ipv6FromNumber(ipv6Number(prefix6Address(subnet)) + BigInt(offset))}/${lengthOf(subnet)}` as IfAddr;
}

/** True for an address that a packet can be sent to and that is not this host alone: no ::, ::1 or ff00::/8. */
export function isUnicastIpv6(ip: Ipv6): boolean {
  return ip !== "::" && ip !== "::1" && !ip.startsWith("ff");
}

/** Of fe80::/10, which every interface gives itself. */
export function isLinkLocalIpv6(ip: Ipv6): boolean {
  return /^fe[89ab]/.test(ip);
}

/** Equal under the shorter of the two masks. */
export function prefix6Overlaps(a: Prefix6, b: Prefix6): boolean {
  const [first, second] = [a, b].map((prefix) => prefix.split("/")) as [string[], string[]];
  const bits = Math.min(Number(first[1]), Number(second[1]));
  const high = ([address = ""]: string[]) => numberOf(groupsOf(address)) >> BigInt(128 - bits);
  return high(first) === high(second);
}

/** The address in network byte order, 16 octets. */
export function ipv6Octets(ip: Ipv6): Uint8Array {
  return Uint8Array.from(groupsOf(ip).flatMap((group) => [group >> 8, group & 255]));
}

function lengthOf(prefix: Prefix6): number {
  return Number(prefix.slice(prefix.indexOf("/") + 1));
}

function networkNumber(value: bigint, length: number): bigint {
  const shift = BigInt(128 - length);
  return (value >> shift) << shift;
}

function numberOf(groups: readonly number[]): bigint {
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

function groupsOf(text: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (dotted) {
    const [, head, a, b, c, d] = dotted;
    const pair = (high: string | undefined, low: string | undefined) => (Number(high) * 256 + Number(low)).toString(16);
    return groupsOf(`${head}${pair(a, b)}:${pair(c, d)}`);
  }
  const [head = "", tail] = text.split("::");
  const parse = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const before = parse(head);
  if (tail === undefined) return before;
  const after = parse(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function formatIpv6(groups: readonly number[]): Ipv6 {
  const run = longestZeroRun(groups);
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (run.length < 2) return hex(groups) as Ipv6;
  return `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}` as Ipv6;
}

function longestZeroRun(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let index = 0; index <= groups.length; index++) {
    if (groups[index] === 0) continue;
    if (index - start > best.length) best = { start, length: index - start };
    start = index + 1;
  }
  return best;
}
