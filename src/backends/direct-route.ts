// The plain route to a peer whose host is on the underlay's own link: all that host-gw makes, and what vxlan makes of
// such a peer with DirectRouting.

import { isUnicastIpv4, prefix4Contains } from "../base/ip.ts";
import { FLANNEL_PROTOCOL, type Route } from "../net/objects.ts";
import type { Underlay } from "../net/underlay.ts";
import type { Lease } from "../subnet/lease.ts";
import { rememberByUnderlay } from "./by-lease.ts";

/** Null when the peer's host is not on the link: a gateway must be reached without another one. */
export type DirectRoute = (peer: Lease, underlay: Underlay) => Route | null;

/** Remembers the routes that it has made. */
export function createDirectRoute(): DirectRoute {
  return rememberByUnderlay((peer, underlay) => {
    const gateway = peer.attrs.publicIp;
    const onLink = isUnicastIpv4(gateway) && underlay.onLink.some((prefix) => prefix4Contains(prefix, gateway));
    if (!onLink) return null;
    return {
      kind: "route",
      dev: underlay.link,
      dst: peer.subnet.v4,
      via: gateway,
      onlink: false,
      metric: 0,
      protocol: FLANNEL_PROTOCOL,
    };
  });
}
