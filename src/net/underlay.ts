// Which interface carries the encapsulated packets, and which of its addresses. Pure: facts and flags in, a choice out.
// IPv4 only. It does not ask whether the interface is up: a cable that is out comes back.

import { FlannelError } from "../base/errors.ts";
import type { Ip, Ipv4, Prefix4 } from "../base/ip.ts";
import { isLinkLocalIpv4, isUnicastIpv4, prefix4Contains, prefixLength } from "../base/ip.ts";
import type { InterfaceAddress, InterfaceFacts, UnderlayFacts } from "./kernel-net.ts";
import type { LinkName } from "./objects.ts";

/** The interface that carries encapsulated packets. */
export interface Underlay {
  readonly link: LinkName;
  readonly mtu: number;
  /** The interface's own address: the tunnel's local end. */
  readonly address: Ipv4;
  /** The address that peers send to; differs from `address` behind NAT. */
  readonly publicIp: Ipv4;
  /** Prefixes that the interface reaches without a gateway. */
  readonly onLink: readonly Prefix4[];
}

/** What the operator asked for: --iface, --iface-regex, --iface-can-reach, --public-ip. */
export interface UnderlayRequest {
  /** Names or addresses. */
  readonly interfaces: readonly string[];
  readonly regexes: readonly { readonly source: string; readonly pattern: RegExp }[];
  readonly canReach: Ipv4 | null;
  readonly publicIp: Ipv4 | null;
}

/** The route to `canReach`, as the kernel answers; null when there is none. */
export type Reach = { readonly dev: LinkName; readonly source: Ip | null; readonly via: Ip | null } | null;

interface Choice {
  readonly link: InterfaceFacts;
  readonly address: Ipv4;
}

/** A choice, or why this way of asking led to none. */
type Attempt = Choice | string;

/**
 * The first of --iface, --iface-regex and --iface-can-reach, in that order, that leads to an address; without any of
 * them the owner of --public-ip, or else the interface of the default route. Throws `interface.not-found`.
 */
export function chooseUnderlay(facts: UnderlayFacts, request: UnderlayRequest, reach: Reach): Underlay {
  const failures: string[] = [];
  for (const attempt of attempts(facts, request, reach)) {
    if (typeof attempt !== "string") return underlayOf(facts, attempt, request.publicIp);
    failures.push(attempt);
  }
  throw notFound(facts, failures.join("; "));
}

function* attempts(facts: UnderlayFacts, request: UnderlayRequest, reach: Reach): Generator<Attempt> {
  const { interfaces, regexes, canReach, publicIp } = request;
  for (const wanted of interfaces) yield byNameOrAddress(facts, wanted);
  for (const { source, pattern } of regexes) yield byPattern(facts, source, pattern);
  if (canReach !== null) yield byReach(facts, canReach, reach);
  if (interfaces.length > 0 || regexes.length > 0 || canReach !== null) return;
  const owner = publicIp === null ? null : ownerOf(facts, publicIp);
  // Compat: the Go daemon ends when no interface carries --public-ip; behind NAT none does.
  yield owner ?? byDefaultRoute(facts);
}

function byNameOrAddress(facts: UnderlayFacts, wanted: string): Attempt {
  const owner = ownerOf(facts, wanted);
  if (owner) return owner;
  const link = facts.interfaces.find(({ name }) => name === wanted);
  return link ? firstUsable(link) : `no interface has the name or the address ${wanted} (--iface)`;
}

/** Compat: the pattern is not anchored. Addresses are tried on all interfaces before any name is. */
function byPattern(facts: UnderlayFacts, source: string, pattern: RegExp): Attempt {
  for (const link of facts.interfaces) {
    const match = usableAddresses(link).find(({ ip }) => pattern.test(ip));
    if (match) return { link, address: match.ip };
  }
  const named = facts.interfaces.filter(({ name }) => pattern.test(name));
  const [first] = named;
  if (!first) return `no interface has an address or a name that matches ${source} (--iface-regex)`;
  return firstUsable(named.find((link) => usableAddresses(link).length > 0) ?? first);
}

function byReach(facts: UnderlayFacts, target: Ipv4, reach: Reach): Attempt {
  if (reach === null) return `there is no route to ${target} (--iface-can-reach)`;
  const link = facts.interfaces.find(({ name }) => name === reach.dev);
  if (!link) return `the route to ${target} (--iface-can-reach) leaves through ${reach.dev}, which does not exist`;
  return reach.source !== null && isIpv4(reach.source) ? { link, address: reach.source } : firstUsable(link);
}

function byDefaultRoute(facts: UnderlayFacts): Attempt {
  const [route] = facts.defaultRoutes;
  if (!route) return "there is no default route that says which interface to use, and no --iface was given";
  const link = facts.interfaces.find(({ name }) => name === route.dev);
  return link ? firstUsable(link) : `the default route leaves through ${route.dev}, which does not exist`;
}

/** The interface that carries the address, whatever its standing there. */
function ownerOf(facts: UnderlayFacts, text: string): Choice | null {
  for (const link of facts.interfaces) {
    const owned = link.addresses.find(({ ip }) => ip === text && isUnicastIpv4(ip));
    if (owned) return { link, address: owned.ip };
  }
  return null;
}

function firstUsable(link: InterfaceFacts): Attempt {
  const [first] = usableAddresses(link);
  return first ? { link, address: first.ip } : `interface ${link.name} has no usable IPv4 address`;
}

/** Best first; equals stay in the kernel's order. */
function usableAddresses({ addresses }: InterfaceFacts): readonly InterfaceAddress[] {
  const usable = addresses.filter(({ ip, deprecated }) => !deprecated && isUnicastIpv4(ip));
  return usable.toSorted(
    (a, b) =>
      Number(isLinkLocalIpv4(a.ip)) - Number(isLinkLocalIpv4(b.ip)) ||
      standing(a, usable) - standing(b, usable) ||
      Number(b.permanent) - Number(a.permanent),
  );
}

/**
 * The interface's own address, then further ones, then those that move between hosts.
 * Compat: the Go daemon asks for permanence first, and so takes a static VIP for the node's address under DHCP.
 */
function standing(address: InterfaceAddress, usable: readonly InterfaceAddress[]): 0 | 1 | 2 {
  if (isVirtual(address, usable)) return 2;
  return address.secondary ? 1 : 0;
}

/**
 * keepalived and kube-vip add a /32 to an interface that has an address with a real prefix already. Kernel: such a /32
 * is not IFA_F_SECONDARY, because its prefix is another. A host whose only addresses are /32 has no virtual ones.
 */
function isVirtual(address: InterfaceAddress, usable: readonly InterfaceAddress[]): boolean {
  if (prefixLength(address.prefix) < 32) return false;
  const position = usable.indexOf(address);
  return usable.some(
    ({ prefix }, index) => prefixLength(prefix) < 32 && (index < position || prefix4Contains(prefix, address.ip)),
  );
}

function underlayOf(facts: UnderlayFacts, { link, address }: Choice, publicIp: Ipv4 | null): Underlay {
  if (link.mtu === 0) throw notFound(facts, `interface ${link.name} has an MTU of 0`);
  const prefixes = link.addresses.map(({ prefix }) => prefix).filter((prefix) => prefixLength(prefix) < 32);
  return { link: link.name, mtu: link.mtu, address, publicIp: publicIp ?? address, onLink: [...new Set(prefixes)] };
}

function notFound(facts: UnderlayFacts, reason: string): FlannelError<"interface.not-found"> {
  const existing = facts.interfaces
    .map((link) => ({ name: link.name, addresses: usableAddresses(link).map(({ ip }) => ip) }))
    .filter(({ addresses }) => addresses.length > 0)
    .map(({ name, addresses }) => `${name} (${addresses.join(", ")})`);
  return new FlannelError("interface.not-found", { reason, existing });
}

function isIpv4(ip: Ip): ip is Ipv4 {
  return !ip.includes(":");
}
