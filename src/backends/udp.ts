// The udp backend: one TUN device on every host with one route for the whole network, and threads of this process that
// carry its packets to the peers, one IPv4 packet in a UDP datagram. Where a subnet is stands in their table and nowhere
// in the kernel. Pure: the device is made by whoever applies the plan, the threads are run by the daemon.

import { type IfAddr, prefix4Address } from "../base/ip.ts";
import {
  belongsToAnother,
  FLANNEL_PROTOCOL,
  KERNEL_PROTOCOL,
  type Link,
  type LinkName,
  type NetObject,
} from "../net/objects.ts";
import type { Plan } from "../net/plan.ts";
import type { Json } from "../subnet/lease.ts";
import type { Backend, HostView, NetworkView } from "./backend.ts";
import { claimEarlierRoutes, earlierRouteDevices } from "./earlier-routes.ts";
import { overlayMtu } from "./mtu.ts";
import { OVERHEAD, readUdpOptions, type UdpOptions } from "./udp-options.ts";

const UDP_TYPE = "udp";

export function createUdp(rawOptions: { readonly [key: string]: Json }): Backend {
  const options = readUdpOptions(rawOptions);
  return {
    type: UDP_TYPE,
    liveOptions: ["MTU"],
    mtu: (underlay) => overlayMtu(options.mtu, underlay, OVERHEAD),
    device: chooseDevice,
    userspace: {
      options: ({ address }) => ({
        address,
        port: options.port,
        bufferSize: options.bufferSize,
        features: options.features,
      }),
      tunnel: (view) => ({
        device: deviceOf(view),
        ipv4: prefix4Address(view.self.subnet.v4),
        ipv6: null,
        mtu: overlayMtu(options.mtu, view.underlay, OVERHEAD),
        checkSource: options.checkSource,
      }),
      routes: ({ peers }) =>
        peers.map(({ subnet, attrs }) => ({ subnet: subnet.v4, address: attrs.publicIp, port: options.port })),
    },
    unsuitable: () => null,
    advertise: ({ underlay }) => ({
      publicIp: underlay.publicIp,
      publicIpv6: null,
      // Compat: the Go daemon writes no type into its records.
      backendType: "",
      backendData: null,
      backendV6Data: null,
    }),
    recordFault: () => null,
    peerFault: () => null,
    plan: (view) => planUdp(view, options),
  };
}

/** The one that this network had before, or else the first name that nobody has. */
function chooseDevice({ links, mark }: HostView): LinkName {
  const ours = (link: Link) => link.type === "tun" && link.persistent && link.alias === mark;
  const before = links.find((link) => ours(link) && /^flannel\d+$/.test(link.name));
  if (before) return before.name;
  const taken = new Set<string>(links.map(({ name }) => name));
  let number = 0;
  while (taken.has(`flannel${number}`)) number += 1;
  return `flannel${number}` as LinkName;
}

function deviceOf({ device }: NetworkView): LinkName {
  if (device === null) throw new Error("the udp backend was given no device");
  return device;
}

function planUdp(view: NetworkView, options: UdpOptions): Plan {
  const { underlay, self, network, mark } = view;
  const dev = deviceOf(view);
  const want: NetObject[] = [
    {
      kind: "link",
      type: "tun",
      name: dev,
      mtu: overlayMtu(options.mtu, underlay, OVERHEAD),
      up: true,
      mac: null,
      persistent: true,
      multiQueue: false,
      alias: mark,
      acceptLocal: true,
    },
    { kind: "address", dev, address: `${prefix4Address(self.subnet.v4)}/32` as IfAddr },
  ];
  if (network.ipv4) {
    const { network: dst } = network.ipv4;
    want.push({ kind: "route", dev, dst, via: null, onlink: false, metric: 0, protocol: FLANNEL_PROTOCOL });
  }
  return {
    scope: {
      families: ["ipv4"],
      devices: [dev],
      routeDevices: earlierRouteDevices(view),
      kinds: ["link", "address", "route"],
    },
    want,
    claims: claimsFor(view, dev),
    complete: view.complete,
  };
}

/** Everything on our device that the kernel did not put there, and what an earlier config has left elsewhere. */
function claimsFor(view: NetworkView, dev: LinkName): Plan["claims"] {
  const isEarlier = claimEarlierRoutes(view);
  return (object) => {
    switch (object.kind) {
      case "link":
        return (
          object.name === dev && object.type === "tun" && object.persistent && !belongsToAnother(object, view.mark)
        );
      case "route":
        return object.dev === dev ? object.protocol !== KERNEL_PROTOCOL : isEarlier(object);
      case "address":
        return object.dev === dev;
      case "neighbour":
      case "fdb":
      case "blackhole":
        return false;
    }
  };
}
