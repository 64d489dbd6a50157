// The plain route to a peer whose host is on the underlay's own link: all that host-gw makes, and what vxlan makes of
// such a peer with DirectRouting.

import { type Family, type Ip, isUnicastIpv4, type Prefix, prefix4Contains } from "../base/ip.ts";
import { isUnicastIpv6, prefix6Contains } from "../base/ipv6.ts";
import { FLANNEL_PROTOCOL, type Route, usualMetric } from "../net/objects.ts";
import type { Underlay } from "../net/underlay.ts";
import { hasIpv4, type Lease } from "../subnet/lease.ts";
import { rememberByUnderlay } from "./by-lease.ts";

/** Null when the peer's host is not on the link: a gateway must be reached without another one. Also without a subnet. */
export type DirectRoute = (peer: Lease, underlay: Underlay) => Route | null;

/** In one family. Remembers the routes that it has made. */
export function createDirectRoute(family: Family): DirectRoute {
  const wayTo = family === "ipv4" ? ipv4Way : ipv6Way;
  return rememberByUnderlay((peer, underlay) => {
    const way = wayTo(peer, underlay);
    if (!way) return null;
    const [dst, via] = way;
    return {
      kind: "route",
      dev: underlay.link,
      dst,
      via,
      onlink: false,
      metric: usualMetric(dst),
      protocol: FLANNEL_PROTOCOL,
    };
  });
}

type Way = readonly [Prefix, Ip];

function ipv4Way({ subnet, attrs: { publicIp } }: Lease, { onLink }: Underlay): Way | null {
  const isNear = isUnicastIpv4(publicIp) && onLink.some((prefix) => prefix4Contains(prefix, publicIp));
  return hasIpv4(subnet) && isNear ? [subnet.v4, publicIp] : null;
}

function ipv6Way({ subnet, attrs: { publicIpv6 } }: Lease, { v6 }: Underlay): Way | null {
  if (subnet.v6 === null || publicIpv6 === null || v6 === null) return null;
  const isNear = isUnicastIpv6(publicIpv6) && v6.onLink.some((prefix) => prefix6Contains(prefix, publicIpv6));
  return isNear ? [subnet.v6, publicIpv6] : null;
}
