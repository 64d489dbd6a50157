// What is another about an underlay that was chosen again while the daemon runs. Pure.

import { type Family, type Ip, isLinkLocalIpv4, NO_IPV4, type Prefix4, prefix4Contains } from "../base/ip.ts";
import { isLinkLocalIpv6, type Prefix6, prefix6Contains } from "../base/ipv6.ts";
import type { UnderlayFacts } from "./kernel-net.ts";
import type { Underlay } from "./underlay.ts";

const FIELDS = ["link", "mtu", "address", "publicIp"] as const;

/** The fields that differ; empty when the two say the same. */
export function changesOfUnderlay(before: Underlay, after: Underlay): readonly (keyof Underlay)[] {
  const changed: (keyof Underlay)[] = FIELDS.filter((field) => before[field] !== after[field]);
  if (!isSameSet(before.onLink, after.onLink)) changed.push("onLink");
  if (!isSameIpv6(before.v6, after.v6)) changed.push("v6");
  return changed;
}

/**
 * Whether what was connected by the one may have no way by the other: its address may not be the host's any more. One that
 * the host has got besides changes nothing about that.
 */
export function isMove(before: Underlay, after: Underlay): boolean {
  if (before.link !== after.link || before.address !== after.address) return true;
  return before.v6 !== null && before.v6.address !== after.v6?.address;
}

function isSameIpv6(before: Underlay["v6"], after: Underlay["v6"]): boolean {
  if (before === null || after === null) return before === after;
  const sameAddresses = before.address === after.address && before.publicIp === after.publicIp;
  return sameAddresses && isSameSet(before.onLink, after.onLink);
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.toSorted().join() === b.toSorted().join();
}

/**
 * The facts without addresses of the host's own subnet. They are the overlay's, on its device or on the pods' bridge, and
 * would be chosen by a pattern or a route once the interface that carries the overlay has gone.
 */
export function withoutOwnSubnet(
  facts: UnderlayFacts,
  { v4, v6 }: { readonly v4: Prefix4 | null; readonly v6: Prefix6 | null },
): UnderlayFacts {
  const interfaces = facts.interfaces.map((link) => ({
    ...link,
    addresses: v4 === null ? link.addresses : link.addresses.filter(({ ip }) => !prefix4Contains(v4, ip)),
    addresses6: v6 === null ? link.addresses6 : link.addresses6.filter(({ ip }) => !prefix6Contains(v6, ip)),
  }));
  return { ...facts, interfaces };
}

export function hasBothFamilies({ address, v6 }: Underlay): boolean {
  return address !== NO_IPV4 && v6 !== null;
}

/**
 * What was, with the addresses of `next` in one family and the MTU that it has now. Null on another interface: the other
 * family's address is on the one that was.
 */
export function withFamily(before: Underlay, next: Underlay, family: Family): Underlay | null {
  if (next.link !== before.link) return null;
  return family === "ipv4" ? { ...next, v6: before.v6 } : { ...before, mtu: next.mtu, v6: next.v6 };
}

/** Why the next one would be less than there was, as a phrase; null when it is not. */
export function lossOf(before: Underlay, after: Underlay): string | null {
  if (isLinkLocalIpv4(after.address) && !isLinkLocalIpv4(before.address)) return selfGiven(after, after.address);
  const [now, then] = [after.v6?.address, before.v6?.address];
  return now && then && isLinkLocalIpv6(now) && !isLinkLocalIpv6(then) ? selfGiven(after, now) : null;
}

function selfGiven({ link }: Underlay, address: Ip): string {
  return `${link} has only ${address}, an address that it has given itself`;
}
