// What is another about an underlay that was chosen again while the daemon runs. Pure.

import { isLinkLocalIpv4, type Prefix4, prefix4Contains } from "../base/ip.ts";
import type { UnderlayFacts } from "./kernel-net.ts";
import type { Underlay } from "./underlay.ts";

const FIELDS = ["link", "mtu", "address", "publicIp"] as const;

/** The fields that differ; empty when the two say the same. */
export function changesOfUnderlay(before: Underlay, after: Underlay): readonly (keyof Underlay)[] {
  const changed: (keyof Underlay)[] = FIELDS.filter((field) => before[field] !== after[field]);
  const sameLinks = before.onLink.toSorted().join() === after.onLink.toSorted().join();
  return sameLinks ? changed : [...changed, "onLink"];
}

/**
 * The facts without addresses of the host's own subnet. They are the overlay's, on its device or on the pods' bridge, and
 * would be chosen by a pattern or a route once the interface that carries the overlay has gone.
 */
export function withoutOwnSubnet(facts: UnderlayFacts, own: Prefix4 | null): UnderlayFacts {
  if (own === null) return facts;
  const interfaces = facts.interfaces.map((link) => ({
    ...link,
    addresses: link.addresses.filter(({ ip }) => !prefix4Contains(own, ip)),
  }));
  return { ...facts, interfaces };
}

/** Why the next one would be less than there was, as a phrase; null when it is not. */
export function lossOf(before: Underlay, after: Underlay): string | null {
  if (!isLinkLocalIpv4(after.address) || isLinkLocalIpv4(before.address)) return null;
  return `${after.link} has only ${after.address}, an address that it has given itself`;
}
