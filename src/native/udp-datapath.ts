// The data path of the udp backend, typed: what is here starts the C threads, feeds them and listens to them.

import type {
  Datapath,
  DatapathCounters,
  DatapathFeature,
  DatapathListener,
  DatapathOptions,
  ForwardRoute,
} from "../base/datapath.ts";
import { DATAPATH_FEATURES } from "../base/datapath.ts";
import { familyOf, type Ip, type Ipv4, ipv4Octets, prefixLength } from "../base/ip.ts";
import { type Ipv6, ipv6Octets } from "../base/ipv6.ts";

type Listener = (kind: number, feature: number, errno: string) => void;

/** What the addon offers of it. */
export interface DatapathExports {
  udpOpen(address: Buffer, port: number, bufferSize: number, features: number, listener: Listener): object;
  udpAttach(
    handle: object,
    device: string,
    ipv4: Buffer | null,
    ipv6: Buffer | null,
    mtu: number,
    checkSource: boolean,
  ): void;
  udpDetach(handle: object): void;
  udpSetRoutes(handle: object, routes: Uint8Array): void;
  udpCounters(handle: object, target: BigUint64Array): void;
  udpCounterNames(): readonly string[];
  udpFeatures(handle: object): number;
  udpDevice(handle: object): string | null;
  udpBuffer(handle: object): number;
  udpClose(handle: object): void;
}

/** enum event_kind in udp_binding.c */
const EVENT_ENDED = 0;
/** A route as udp_arguments.c reads it: where its members are, in bytes. */
const ROUTE = { network: 0, peer: 16, port: 32, length: 34, networkVersion: 35, peerVersion: 36, size: 40 } as const;

export function openDatapath(addon: DatapathExports, options: DatapathOptions, listener: DatapathListener): Datapath {
  const { address, port, bufferSize, features } = options;
  const names = addon.udpCounterNames();
  const handle = addon.udpOpen(octets(address), port, bufferSize, bitsOf(features), (kind, bits, errno) => {
    if (kind === EVENT_ENDED) listener.onEnded(errno);
    else for (const feature of featuresOf(bits)) listener.onFeatureLost(feature, errno);
  });
  return {
    attach: ({ device, ipv4, ipv6, mtu, checkSource }) =>
      addon.udpAttach(handle, device, ipv4 && octets(ipv4), ipv6 && octets(ipv6), mtu, checkSource),
    detach: () => addon.udpDetach(handle),
    setRoutes: (routes) => addon.udpSetRoutes(handle, encodeRoutes(routes)),
    counters() {
      const values = new BigUint64Array(names.length);
      addon.udpCounters(handle, values);
      const entries = names.map((name, index) => [name, Number(values[index])] as const);
      return Object.fromEntries(entries) as unknown as DatapathCounters;
    },
    features: () => featuresOf(addon.udpFeatures(handle)),
    device: () => addon.udpDevice(handle),
    bufferSize: () => addon.udpBuffer(handle),
    [Symbol.dispose]: () => addon.udpClose(handle),
  };
}

/** enum feature in udp/traffic.h numbers its bits in the order of DATAPATH_FEATURES. */
function bitsOf(features: ReadonlySet<DatapathFeature>): number {
  return DATAPATH_FEATURES.reduce((bits, feature, index) => (features.has(feature) ? bits | (1 << index) : bits), 0);
}

function featuresOf(bits: number): ReadonlySet<DatapathFeature> {
  return new Set(DATAPATH_FEATURES.filter((_, index) => (bits & (1 << index)) !== 0));
}

function encodeRoutes(routes: readonly ForwardRoute[]): Uint8Array {
  const buffer = Buffer.alloc(routes.length * ROUTE.size);
  for (const [index, { subnet, address, port }] of routes.entries()) {
    const at = index * ROUTE.size;
    const network = subnet.slice(0, subnet.indexOf("/")) as Ip;
    buffer.set(octets(network), at + ROUTE.network);
    buffer.set(octets(address), at + ROUTE.peer);
    buffer.writeUInt16BE(port, at + ROUTE.port);
    buffer.writeUInt8(prefixLength(subnet), at + ROUTE.length);
    buffer.writeUInt8(versionOf(network), at + ROUTE.networkVersion);
    buffer.writeUInt8(versionOf(address), at + ROUTE.peerVersion);
  }
  return buffer;
}

function versionOf(address: Ip): 4 | 6 {
  return familyOf(address) === "ipv6" ? 6 : 4;
}

function octets(address: Ip): Buffer {
  return Buffer.from(versionOf(address) === 4 ? ipv4Octets(address as Ipv4) : ipv6Octets(address as Ipv6));
}
