// The udp backend: one TUN device on every host with one route for the whole network of each family, and threads of this
// process that carry its packets to the peers, one IP packet in a UDP datagram. Where a subnet is stands in their table and
// nowhere in the kernel. Pure: the device is made by whoever applies the plan, the threads are run by the daemon.

import { type IfAddr, type Prefix, prefix4Address } from "../base/ip.ts";
import { prefix6Address } from "../base/ipv6.ts";
import {
  belongsToAnother,
  FLANNEL_PROTOCOL,
  KERNEL_PROTOCOL,
  type Link,
  type LinkName,
  type NetObject,
  type TunLink,
  usualMetric,
} from "../net/objects.ts";
import type { Plan } from "../net/plan.ts";
import { addressesOf, type Underlay } from "../net/underlay.ts";
import { hasIpv4, type Json, type Lease } from "../subnet/lease.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";
import { familiesOf } from "../subnet/network-families.ts";
import type { Backend, BackendDevice, HostView, NetworkView } from "./backend.ts";
import { claimEarlierRoutes, earlierRouteDevices } from "./earlier-routes.ts";
import { isKernelAddress } from "./kernel-address.ts";
import { overlayMtu, tooNarrowForIpv6 } from "./mtu.ts";
import { carrierOf } from "./udp-carrier.ts";
import { readUdpOptions, type UdpOptions } from "./udp-options.ts";
import type { Userspace } from "./userspace.ts";

const UDP_TYPE = "udp";

export function createUdp(rawOptions: { readonly [key: string]: Json }): Backend {
  const options = readUdpOptions(rawOptions);
  return {
    type: UDP_TYPE,
    liveOptions: ["MTU"],
    mtu: (underlay) => mtuOn(underlay, options),
    device: chooseDevice,
    devices: (underlay, device) => (device === null ? [] : [describeDevice(device, underlay, options)]),
    userspace: createUserspace(options),
    unsuitable: ({ underlay }) =>
      underlay.v6 === null ? null : tooNarrowForIpv6(mtuOn(underlay, options), carrierOf(underlay).overhead),
    advertise: ({ underlay }) => ({
      ...addressesOf(underlay),
      // Compat: the Go daemon writes no type into its records.
      backendType: "",
      backendData: null,
      backendV6Data: null,
    }),
    recordFault: () => null,
    peerFault: (peer, { underlay }) => {
      const { addressOf, lack } = carrierOf(underlay);
      return addressOf(peer) === null ? lack : null;
    },
    checksumDuty: () => null,
    plan: (view) => planUdp(view, options),
  };
}

function describeDevice(name: LinkName, underlay: Underlay, options: UdpOptions): BackendDevice {
  return {
    name,
    families: ["ipv4", "ipv6"],
    mtu: mtuOn(underlay, options),
    // What was chosen is free, or is marked as ours.
    isIt: (link) => link.type === "tun" && link.name === name,
  };
}

function mtuOn(underlay: Underlay, { mtu }: UdpOptions): number {
  return overlayMtu(mtu, underlay, carrierOf(underlay).overhead);
}

function createUserspace(options: UdpOptions): Userspace {
  const { port, bufferSize, features, checkSource } = options;
  return {
    options: (underlay) => ({ address: carrierOf(underlay).address, port, bufferSize, features }),
    tunnel: (view) => {
      const { subnet } = view.self;
      return {
        device: deviceOf(view),
        ipv4: hasIpv4(subnet) ? prefix4Address(subnet.v4) : null,
        ipv6: subnet.v6 && prefix6Address(subnet.v6),
        mtu: mtuOn(view.underlay, options),
        checkSource,
      };
    },
    routes: ({ peers, underlay }) => {
      const { addressOf } = carrierOf(underlay);
      return peers.flatMap((peer) => {
        const address = addressOf(peer);
        return address === null ? [] : subnetsOf(peer).map((subnet) => ({ subnet, address, port }));
      });
    },
  };
}

function subnetsOf({ subnet }: Lease): readonly Prefix[] {
  return [...(hasIpv4(subnet) ? [subnet.v4] : []), ...(subnet.v6 === null ? [] : [subnet.v6])];
}

/** The one that this network had before, or else the first name that nobody has. */
function chooseDevice({ links, mark }: HostView): LinkName {
  const before = links.find((link) => isOwn(link, mark));
  if (before) return before.name;
  const taken = new Set<string>(links.map(({ name }) => name));
  let number = 0;
  while (taken.has(`flannel${number}`)) number += 1;
  return `flannel${number}` as LinkName;
}

function isOwn(link: Link, mark: string): boolean {
  return link.type === "tun" && link.persistent && link.alias === mark && /^flannel\d+$/.test(link.name);
}

function deviceOf({ device }: NetworkView): LinkName {
  if (device === null) throw new Error("the udp backend was given no device");
  return device;
}

function planUdp(view: NetworkView, options: UdpOptions): Plan {
  const dev = deviceOf(view);
  return {
    scope: {
      families: familiesOf(view.network),
      devices: [dev],
      routeDevices: earlierRouteDevices(view),
      kinds: ["link", "address", "route"],
    },
    want: [deviceFor(view, options), ...addressesFor(view.self, dev), ...routesFor(view.network, dev)],
    claims: claimsFor(view, dev),
    complete: view.complete,
  };
}

function deviceFor(view: NetworkView, options: UdpOptions): TunLink {
  return {
    kind: "link",
    type: "tun",
    name: deviceOf(view),
    mtu: mtuOn(view.underlay, options),
    up: true,
    mac: null,
    persistent: true,
    multiQueue: false,
    alias: view.mark,
    acceptLocal: true,
  };
}

/** Errors about packets in the tunnel come from them. */
function addressesFor({ subnet }: Lease, dev: LinkName): readonly NetObject[] {
  const address = (text: string): NetObject => ({ kind: "address", dev, address: text as IfAddr });
  return [
    ...(hasIpv4(subnet) ? [address(`${prefix4Address(subnet.v4)}/32`)] : []),
    ...(subnet.v6 === null ? [] : [address(`${prefix6Address(subnet.v6)}/128`)]),
  ];
}

function routesFor({ ipv4, ipv6 }: NetworkConfig, dev: LinkName): readonly NetObject[] {
  return [ipv4, ipv6]
    .flatMap((one): readonly Prefix[] => (one === null ? [] : [one.network]))
    .map((dst) => ({
      kind: "route",
      dev,
      dst,
      via: null,
      onlink: false,
      metric: usualMetric(dst),
      protocol: FLANNEL_PROTOCOL,
    }));
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
        return object.dev === dev && !isKernelAddress(object.address);
      case "neighbour":
      case "fdb":
      case "blackhole":
        return false;
    }
  };
}
