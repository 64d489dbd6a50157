// Routes that are in the kernel because of an earlier config: another backend, another VNI, or a Go daemon. They stand in
// the place of the current backend's routes, or are more specific and so win against them; left alone they would send
// packets where nobody takes them. The current backend claims them, whichever it is.
// The devices stay: another flanneld for another network may own them. While it runs its routes stay as well; of all other
// devices what lies inside our network is certainly ours.

import { familyOf, prefixLength } from "../base/ip.ts";
import { BOOT_PROTOCOL, FLANNEL_PROTOCOL, type Link, type LinkName, type Route } from "../net/objects.ts";
import { isInNetwork } from "../subnet/network-families.ts";
import type { NetworkView } from "./backend.ts";

/** Names of the devices that flannel's backends make, ours and those of the Go daemon, and their drivers. */
const DEVICES: readonly { readonly name: RegExp; readonly driver: string }[] = [
  { name: /^flannel(-v6)?\.\d+$/, driver: "vxlan" },
  { name: /^flannel\d+$/, driver: "tun" },
  { name: /^flannel\.ipip$/, driver: "ipip" },
  { name: /^flannel-wg(-v6)?$/, driver: "wireguard" },
];

/** Those of the host's links that a backend of flannel has made. */
export function flannelDevices(links: readonly Link[]): readonly LinkName[] {
  const isOne = (link: Link) => {
    const driver = link.type === "other" ? link.driver : link.type;
    return DEVICES.some((device) => device.driver === driver && device.name.test(link.name));
  };
  return links.filter(isOne).map(({ name }) => name);
}

/** Where such routes may be, for a plan's scope. */
export function earlierRouteDevices({ underlay, formerUnderlays, flannelDevices }: NetworkView): readonly LinkName[] {
  return [underlay.link, ...formerUnderlays, ...flannelDevices];
}

/**
 * Whether a route is ours by where it leads: inside the network and through a flannel device, or through the underlay to
 * a gateway. There, of the *boot* protocol only those of exactly one subnet are, which is what the Go daemon makes.
 */
export function claimEarlierRoutes(view: NetworkView): (route: Route) => boolean {
  const { network, underlay, flannelDevices } = view;
  const underlays = [underlay.link, ...view.formerUnderlays];
  return (route) => {
    if (route.protocol !== FLANNEL_PROTOCOL && route.protocol !== BOOT_PROTOCOL) return false;
    if (!isInNetwork(network, route.dst)) return false;
    if (flannelDevices.includes(route.dev)) return true;
    if (!underlays.includes(route.dev) || route.via === null) return false;
    return route.protocol === FLANNEL_PROTOCOL || prefixLength(route.dst) === network[familyOf(route.dst)]?.subnetLen;
  };
}
