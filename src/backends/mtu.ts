// The member MTU of a Backend, and the overlay's MTU that follows from it.

import { integer, invalidMember, type JsonObject } from "../base/json.ts";
import type { Underlay } from "../net/underlay.ts";

/** What every IPv4 link must carry (RFC 791). */
const LEAST_OVERLAY_MTU = 68;

/** Kernel: a device with a smaller MTU has no IPv6 (IPV6_MIN_MTU, RFC 8200). */
const LEAST_IPV6_MTU = 1280;

/** MTU of the underlay as the config gives it; null to take the interface's. Throws `config.invalid`. */
export function readMtu(options: JsonObject, overhead: number): number | null {
  const mtu = integer(options, "MTU", { min: 0, max: 65_535, default: 0 });
  const least = LEAST_OVERLAY_MTU + overhead;
  if (mtu !== 0 && mtu < least) throw invalidMember(options, "MTU", `must be 0 or at least ${least}, but is ${mtu}`);
  return mtu === 0 ? null : mtu;
}

/** Kernel: an MTU above the lower device's, less the overhead, is cut down at creation and refused later. */
export function overlayMtu(configured: number | null, underlay: Underlay, overhead: number): number {
  return Math.min(configured ?? underlay.mtu, underlay.mtu) - overhead;
}

/** Why there is no IPv6 in an overlay of this MTU, as a sentence; null when there is. */
export function tooNarrowForIpv6(mtu: number, overhead: number): string | null {
  if (mtu >= LEAST_IPV6_MTU) return null;
  return `IPv6 needs an MTU of at least ${LEAST_IPV6_MTU} in the overlay, and so of ${LEAST_IPV6_MTU + overhead} on the underlay, which has ${mtu + overhead}`;
}
