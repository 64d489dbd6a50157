// The packets that a firewall must let pass for the overlay to work, as it sees them.

import type { Backend } from "../backends/backend.ts";
import { carrierFamily } from "../backends/udp-carrier.ts";
import { type Family, type Prefix, prefix4Contains } from "../base/ip.ts";
import type { HostFacts } from "./facts.ts";
import { isFlannel, ownDevices } from "./interface-checks.ts";
import type { Interface, Packet } from "./packet-fate.ts";

/** As far as they are known. */
export function networksOf({ network, network6 }: HostFacts): readonly Prefix[] {
  return [...(network.known ? [network.value.network] : []), ...(network6 ? [network6.network] : [])];
}

/** Who lets one of them through lets packets of pods pass. Pings are let through by many that drop the rest. */
const OF_PODS = ["tcp", "udp"];

/** From another host's pods to those of this one, and back, in each family that the network has. */
export function forwardedPackets(facts: HostFacts): readonly Packet[] {
  const { network, network6, families } = facts;
  return families.flatMap((family) => {
    const overlay = family === "ipv4" ? (network.known ? network.value.network : null) : (network6?.network ?? null);
    const { tunnel, pods } = waysOf(facts, family);
    const packet = { family, source: overlay, destination: overlay, protocols: OF_PODS, port: null };
    return [
      { ...packet, iif: tunnel, oif: pods },
      { ...packet, iif: pods, oif: tunnel },
    ];
  });
}

/** Datagrams of a backend's from another host to the port, and to its. */
export function portPackets(facts: HostFacts, backend: Backend, port: number): readonly Packet[] {
  const { underlay } = facts;
  const outside: Interface = underlay.known ? underlay.value.link : { otherThan: ["lo"] };
  return outerFamilies(facts, backend).map((family) => ({
    ...{ family, iif: outside, oif: outside },
    ...{ source: null, destination: null, protocols: ["udp"], port },
  }));
}

/** vxlan has a device for each family, whose peers have addresses of that; udp has one socket for both. */
function outerFamilies({ families }: Pick<HostFacts, "families">, { userspace }: Backend): readonly Family[] {
  return userspace === null ? families : [carrierFamily(families)];
}

/** By which interfaces the overlay's packets go to other hosts, and to the pods of this one. */
function waysOf(facts: HostFacts, family: Family): { readonly tunnel: Interface; readonly pods: Interface } {
  const { underlay, backends, isBackendKnown, routes, network } = facts;
  const outside = underlay.known ? [underlay.value.link] : [];
  const device = ownDevices(facts).find(({ families }) => families.includes(family))?.link.name;
  // Without a port of its own a backend sends packets as they are.
  const isPlain = isBackendKnown && backends.every(({ port }) => port === null);
  const tunnel = device ?? (isPlain ? outside[0] : undefined) ?? { otherThan: ["lo", ...(isPlain ? [] : outside)] };
  const others = ["lo", ...outside, ...(device ? [device] : [])];
  // A pod has its addresses of both families behind the same one.
  const bridge = routes.find(
    ({ dst, dev }) =>
      network.known && prefix4Contains(network.value.network, dst) && !others.includes(dev) && !isFlannel(dev),
  );
  return { tunnel, pods: bridge?.dev ?? { otherThan: others } };
}
