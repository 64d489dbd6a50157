// The host-gw backend: every host is the gateway to its own subnet, so that a peer is one plain route through the
// underlay in each family. No device and no encapsulation; in return all hosts must be on one link. Pure.

import { type Json, jsonObject } from "../base/json.ts";
import type { Plan } from "../net/plan.ts";
import { addressesOf, type Underlay } from "../net/underlay.ts";
import { hasIpv4, type Lease } from "../subnet/lease.ts";
import { familiesOf } from "../subnet/network-families.ts";
import type { Backend, NetworkView } from "./backend.ts";
import { createDirectRoute, type DirectRoute } from "./direct-route.ts";
import { claimEarlierRoutes, earlierRouteDevices } from "./earlier-routes.ts";
import { overlayMtu, readMtu } from "./mtu.ts";

const HOST_GW_TYPE = "host-gw";

/** Packets travel as they are. */
const OVERHEAD = 0;

export function createHostGw(rawOptions: { readonly [key: string]: Json }): Backend {
  const mtu = readHostGwMtu(rawOptions);
  const routes: Routes = { ipv4: createDirectRoute("ipv4"), ipv6: createDirectRoute("ipv6") };
  return {
    type: HOST_GW_TYPE,
    liveOptions: ["MTU"],
    mtu: (underlay) => overlayMtu(mtu, underlay, OVERHEAD),
    device: () => null,
    devices: () => [],
    userspace: null,
    unsuitable: ({ underlay }) => behindNat(underlay),
    advertise: ({ underlay }) => ({
      ...addressesOf(underlay),
      backendType: HOST_GW_TYPE,
      backendData: null,
      backendV6Data: null,
    }),
    recordFault: () => null,
    peerFault: (peer, { underlay }) => peerFault(peer, underlay, routes),
    checksumDuty: () => null,
    plan: (view) => planHostGw(view, routes),
  };
}

interface Routes {
  readonly ipv4: DirectRoute;
  readonly ipv6: DirectRoute;
}

function peerFault(peer: Lease, underlay: Underlay, { ipv4, ipv6 }: Routes): string | null {
  const { link, onLink, v6 } = underlay;
  if (hasIpv4(peer.subnet) && !ipv4(peer, underlay)) return offLink(link, onLink);
  return peer.subnet.v6 !== null && !ipv6(peer, underlay) ? offLink(link, v6?.onLink ?? []) : null;
}

/** The members of Backend that host-gw reads, with the values that it goes by; MTU null: the interface decides. */
export function hostGwSettings(rawOptions: { readonly [key: string]: Json }): { readonly [name: string]: Json } {
  return { MTU: readHostGwMtu(rawOptions) };
}

function readHostGwMtu(rawOptions: { readonly [key: string]: Json }): number | null {
  return readMtu(jsonObject(rawOptions, "$.Backend"), OVERHEAD);
}

function planHostGw(view: NetworkView, { ipv4, ipv6 }: Routes): Plan {
  const { underlay } = view;
  const isOurs = claimEarlierRoutes(view);
  const routesTo = (peer: Lease) => [ipv4(peer, underlay), ipv6(peer, underlay)].filter((route) => route !== null);
  return {
    scope: {
      families: familiesOf(view.network),
      devices: [],
      routeDevices: earlierRouteDevices(view),
      kinds: ["route"],
    },
    want: view.peers.flatMap(routesTo),
    claims: (object) => object.kind === "route" && isOurs(object),
    complete: view.complete,
  };
}

/** Compat: the words up to the colon are those of the Go daemon, which people search for. */
function behindNat({ link, address, publicIp }: Underlay): string | null {
  if (publicIp === address) return null;
  return `your PublicIP differs from interface IP, meaning that probably you're on a NAT: the public IP is ${publicIp}, ${link} has ${address}, and the other hosts can use only an address of this host as a gateway; start without --public-ip, or set another backend, such as vxlan, in the network config`;
}

function offLink(link: string, onLink: readonly string[]): string {
  const networks = onLink.length > 0 ? onLink.join(", ") : "no network";
  return `its host is not on the link of ${link} (${networks}), and host-gw reaches no host behind a router: set the backend vxlan in the network config, with DirectRouting to keep plain routes within a link`;
}
