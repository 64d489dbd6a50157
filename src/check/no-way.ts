// A peer to whose host the kernel sends nothing: there is no route, or somebody's route or rule refuses. Pure.

import { type Ipv4, prefix4Contains, prefixLength } from "../base/ip.ts";
import { byCommand, byHand } from "../base/remedy.ts";
import type { LinkName } from "../net/objects.ts";
import type { Underlay } from "../net/underlay.ts";
import { hasIpv4, hostIp } from "../subnet/lease.ts";
import type { HostFacts, RouteFact } from "./facts.ts";
import { type Finding, fail, some } from "./finding.ts";

/** Kernel: what /proc/net/route has in place of a device for a route that drops packets. */
export const NOWHERE = "*" as LinkName;

/** `unreachable` is not empty; `used` is the interface by which flanneld sends. */
export function noWay(
  unreachable: HostFacts["peers"],
  used: LinkName,
  { routes }: Pick<HostFacts, "routes">,
  underlay: Underlay,
): Finding {
  const ips = unreachable.map(({ lease }) => hostIp(lease.attrs));
  const [first] = unreachable;
  const ip = first && hasIpv4(first.lease.subnet) ? first.lease.attrs.publicIp : null;
  // A running daemon has not asked for all the routes of the underlay.
  const onLink = underlay.onLink.map((dst) => ({ dst, dev: underlay.link }));
  const route = ip === null ? null : longest([...routes, ...onLink], ip);
  if (route?.dev === NOWHERE) {
    const sentence = `the route ${route.dst} of this host drops packets to ${some(ips)}`;
    return fail(sentence, byCommand(`ip route del ${route.dst}`));
  }
  // Where there is a route that would lead there, a rule goes before it.
  if (route !== null) {
    const sentence = `a rule of this host refuses packets to ${some(ips)}, to which there is a route`;
    return fail(sentence, byHand(`see which that is, and take it away: ip rule, ip route get ${ip}`));
  }
  const add = `ip route add ${ips[0]} via GATEWAY dev ${used}`;
  return fail(`this host has no route to ${some(ips)}`, byHand(`add one by the gateway that leads there: ${add}`));
}

/** The route of the main table that a packet would take; of several of one length any that drops is not the first. */
function longest(routes: readonly RouteFact[], ip: Ipv4): RouteFact | null {
  const holding = routes.filter(({ dst }) => prefix4Contains(dst, ip));
  const length = Math.max(-1, ...holding.map(({ dst }) => prefixLength(dst)));
  const those = holding.filter(({ dst }) => prefixLength(dst) === length);
  return those.find(({ dev }) => dev !== NOWHERE) ?? those[0] ?? null;
}
