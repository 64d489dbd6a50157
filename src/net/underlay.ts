// Which interface carries the encapsulated packets, and which of its addresses. Pure: facts and flags in, a choice out.
// It does not ask whether the interface is up: a cable that is out comes back.

import { FlannelError } from "../base/errors.ts";
import { type Family, type Ip, type Ipv4, NO_IPV4, type Prefix, type Prefix4, prefixLength } from "../base/ip.ts";
import type { Ipv6, Prefix6 } from "../base/ipv6.ts";
import type { InterfaceFacts, UnderlayFacts } from "./kernel-net.ts";
import type { LinkName } from "./objects.ts";
import { carriedAddress, usableAddresses, usableAddresses6 } from "./usable-addresses.ts";

/** The interface that carries encapsulated packets. */
export interface Underlay {
  readonly link: LinkName;
  readonly mtu: number;
  /** The interface's own address: the tunnel's local end. NO_IPV4 in a network without IPv4. */
  readonly address: Ipv4;
  /** The address that peers send to; differs from `address` behind NAT. NO_IPV4 in a network without IPv4. */
  readonly publicIp: Ipv4;
  /** Prefixes that the interface reaches without a gateway. */
  readonly onLink: readonly Prefix4[];
  /** The same of IPv6; null in a network without. */
  readonly v6: {
    readonly address: Ipv6;
    readonly publicIp: Ipv6;
    readonly onLink: readonly Prefix6[];
  } | null;
}

/** The two addresses as records name them. */
export function addressesOf({ publicIp, v6 }: Underlay): { readonly publicIp: Ipv4; readonly publicIpv6: Ipv6 | null } {
  return { publicIp, publicIpv6: v6?.publicIp ?? null };
}

/** The same for a log line: an IPv6 address alone is the public IP. */
export function publicIpsOf({ publicIp, v6 }: Underlay): { readonly publicIp: Ip; readonly publicIpv6?: Ipv6 } {
  if (v6 === null) return { publicIp };
  return publicIp === NO_IPV4 ? { publicIp: v6.publicIp } : { publicIp, publicIpv6: v6.publicIp };
}

/** Of both families. */
export function onLinkOf({ onLink, v6 }: Underlay): readonly Prefix[] {
  return [...onLink, ...(v6?.onLink ?? [])];
}

/** Of all of them, in both families. */
export function interfaceAddresses(interfaces: readonly InterfaceFacts[]): readonly Ip[] {
  return interfaces.flatMap(({ addresses, addresses6 }) => [...addresses, ...addresses6].map(({ ip }) => ip));
}

/** What the operator asked for (--iface, --iface-regex, --iface-can-reach, --public-ip, --public-ipv6), and the network. */
export interface UnderlayRequest {
  /** Those of the network: each needs an address. */
  readonly families: readonly Family[];
  /** Names or addresses. */
  readonly interfaces: readonly string[];
  readonly regexes: readonly { readonly source: string; readonly pattern: RegExp }[];
  readonly canReach: Ip | null;
  readonly publicIp: Ipv4 | null;
  readonly publicIpv6: Ipv6 | null;
}

/** The route to `canReach`, as the kernel answers; null when there is none. */
export type Reach = { readonly dev: LinkName; readonly source: Ip | null; readonly via: Ip | null } | null;

/** An interface, and those addresses on it that were asked for; the others are the best it has. */
interface Choice {
  readonly link: InterfaceFacts;
  readonly address: Ipv4 | null;
  readonly address6: Ipv6 | null;
}

/** A choice, or why this way of asking led to none. */
type Attempt = Choice | string;

/**
 * The first of --iface, --iface-regex and --iface-can-reach, in that order, that leads to an address of each family;
 * without any of them the owner of --public-ip or --public-ipv6, or else the interface of the default route. Throws
 * `interface.not-found`.
 */
export function chooseUnderlay(facts: UnderlayFacts, request: UnderlayRequest, reach: Reach): Underlay {
  const failures: string[] = [];
  for (const attempt of attempts(facts, request, reach)) {
    const complete = typeof attempt === "string" ? attempt : completed(attempt, request);
    if (typeof complete !== "string") return underlayOf(facts, complete, request);
    failures.push(complete);
  }
  throw notFound(facts, failures.join("; "));
}

function* attempts(facts: UnderlayFacts, request: UnderlayRequest, reach: Reach): Generator<Attempt> {
  const { interfaces, regexes, canReach, publicIp, publicIpv6 } = request;
  for (const wanted of interfaces) yield byNameOrAddress(facts, wanted, request);
  for (const { source, pattern } of regexes) yield byPattern(facts, source, pattern, request);
  if (canReach !== null) yield byReach(facts, canReach, reach);
  if (interfaces.length > 0 || regexes.length > 0 || canReach !== null) return;
  // Compat: the Go daemon ends when no interface carries --public-ip; behind NAT none does.
  const owner = ownerOf(facts, publicIp, request) ?? ownerOf(facts, publicIpv6, request);
  yield owner ?? byDefaultRoute(facts, request);
}

function byNameOrAddress(facts: UnderlayFacts, wanted: string, request: UnderlayRequest): Attempt {
  const owner = ownerOf(facts, wanted, request);
  if (owner) return owner;
  const link = facts.interfaces.find(({ name }) => name === wanted);
  return link ? anyOf(link) : `no interface has the name or the address ${wanted} (--iface)`;
}

/**
 * Compat: the pattern is not anchored. Addresses are tried on all interfaces before any name is. Unlike there, an
 * interface of a dual-stack network need not match in both families, where none does.
 */
function byPattern(facts: UnderlayFacts, source: string, pattern: RegExp, request: UnderlayRequest): Attempt {
  const matches = facts.interfaces.map((link) => matching(link, pattern, request));
  const match = matches.find((one) => isComplete(one, request)) ?? matches.find(hasAddress);
  if (match) return match;
  const named = facts.interfaces.filter(({ name }) => pattern.test(name));
  const [first] = named;
  if (!first) return `no interface has an address or a name that matches ${source} (--iface-regex)`;
  return anyOf(named.find((link) => typeof completed(anyOf(link), request) !== "string") ?? first);
}

function matching(link: InterfaceFacts, pattern: RegExp, { families }: UnderlayRequest): Choice {
  const v4 = families.includes("ipv4") && usableAddresses(link).find(({ ip }) => pattern.test(ip));
  const v6 = families.includes("ipv6") && usableAddresses6(link).find(({ ip }) => pattern.test(ip));
  return { link, address: v4 ? v4.ip : null, address6: v6 ? v6.ip : null };
}

function isComplete({ address, address6 }: Choice, { families }: UnderlayRequest): boolean {
  return (address !== null || !families.includes("ipv4")) && (address6 !== null || !families.includes("ipv6"));
}

function hasAddress({ address, address6 }: Choice): boolean {
  return address !== null || address6 !== null;
}

function byReach(facts: UnderlayFacts, target: Ip, reach: Reach): Attempt {
  if (reach === null) return `there is no route to ${target} (--iface-can-reach)`;
  const link = facts.interfaces.find(({ name }) => name === reach.dev);
  if (!link) return `the route to ${target} (--iface-can-reach) leaves through ${reach.dev}, which does not exist`;
  const { source } = reach;
  if (source === null) return anyOf(link);
  return isIpv4(source) ? { link, address: source, address6: null } : { link, address: null, address6: source as Ipv6 };
}

/** Compat: of a dual-stack network the IPv4 one; the Go daemon wants the same interface from both. */
function byDefaultRoute(facts: UnderlayFacts, { families }: UnderlayRequest): Attempt {
  const [route] = families.includes("ipv4") ? facts.defaultRoutes : facts.defaultRoutes6;
  if (!route) return "there is no default route that says which interface to use, and no --iface was given";
  const link = facts.interfaces.find(({ name }) => name === route.dev);
  return link ? anyOf(link) : `the default route leaves through ${route.dev}, which does not exist`;
}

/** The interface that carries the address, whatever its standing there. */
function ownerOf(facts: UnderlayFacts, text: string | null, { families }: UnderlayRequest): Choice | null {
  for (const link of facts.interfaces) {
    const owned = text === null ? null : carriedAddress(link, text, families);
    if (owned)
      return isIpv4(owned) ? { link, address: owned, address6: null } : { link, address: null, address6: owned };
  }
  return null;
}

function anyOf(link: InterfaceFacts): Choice {
  return { link, address: null, address6: null };
}

/** With the best address of the interface in each family in which none was asked for. */
function completed({ link, ...asked }: Choice, { families }: UnderlayRequest): Attempt {
  const address = asked.address ?? usableAddresses(link)[0]?.ip ?? null;
  const address6 = asked.address6 ?? usableAddresses6(link)[0]?.ip ?? null;
  if (families.includes("ipv4") && address === null) return `interface ${link.name} has no usable IPv4 address`;
  if (families.includes("ipv6") && address6 === null) return `interface ${link.name} has no usable IPv6 address`;
  return { link, address, address6 };
}

function underlayOf(facts: UnderlayFacts, { link, address, address6 }: Choice, request: UnderlayRequest): Underlay {
  if (link.mtu === 0) throw notFound(facts, `interface ${link.name} has an MTU of 0`);
  const ipv4 = request.families.includes("ipv4") && address !== null;
  const ipv6 = request.families.includes("ipv6") && address6 !== null;
  return {
    link: link.name,
    mtu: link.mtu,
    address: ipv4 ? address : NO_IPV4,
    publicIp: ipv4 ? (request.publicIp ?? address) : NO_IPV4,
    onLink: ipv4 ? networksOf(link.addresses, 32) : [],
    v6: ipv6 ? { address: address6, publicIp: request.publicIpv6 ?? address6, onLink: networks6Of(link) } : null,
  };
}

/** Without those of a single address. */
function networksOf<P extends Prefix4 | Prefix6>(
  addresses: readonly { readonly prefix: P }[],
  bits: number,
): readonly P[] {
  return [...new Set(addresses.map(({ prefix }) => prefix).filter((prefix) => prefixLength(prefix) < bits))];
}

function networks6Of({ addresses6, networks6 }: InterfaceFacts): readonly Prefix6[] {
  return [...new Set([...networksOf(addresses6, 128), ...networks6])];
}

function notFound(facts: UnderlayFacts, reason: string): FlannelError<"interface.not-found"> {
  const existing = facts.interfaces
    .map((link) => ({
      name: link.name,
      addresses: [...usableAddresses(link), ...usableAddresses6(link)].map(({ ip }) => ip),
    }))
    .filter(({ addresses }) => addresses.length > 0)
    .map(({ name, addresses }) => `${name} (${addresses.join(", ")})`);
  return new FlannelError("interface.not-found", { reason, existing });
}

function isIpv4(ip: Ip): ip is Ipv4 {
  return !ip.includes(":");
}
