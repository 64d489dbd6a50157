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
import { ipv4Number, prefix4Address, prefixLength } from "../base/ip.ts";

type Listener = (kind: number, feature: number, errno: string) => void;

/** What the addon offers of it. */
export interface DatapathExports {
  udpOpen(address: number, port: number, bufferSize: number, features: number, listener: Listener): object;
  udpAttach(handle: object, device: string, address: number, mtu: number, checkSource: boolean): void;
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
/** ROUTE_SIZE in udp_binding.c */
const ROUTE_BYTES = 12;

export function openDatapath(addon: DatapathExports, options: DatapathOptions, listener: DatapathListener): Datapath {
  const { address, port, bufferSize, features } = options;
  const names = addon.udpCounterNames();
  const handle = addon.udpOpen(ipv4Number(address), port, bufferSize, bitsOf(features), (kind, bits, errno) => {
    if (kind === EVENT_ENDED) listener.onEnded(errno);
    else for (const feature of featuresOf(bits)) listener.onFeatureLost(feature, errno);
  });
  return {
    attach: (tunnel) =>
      addon.udpAttach(handle, tunnel.device, ipv4Number(tunnel.address), tunnel.mtu, tunnel.checkSource),
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
  const buffer = Buffer.alloc(routes.length * ROUTE_BYTES);
  for (const [index, { subnet, address, port }] of routes.entries()) {
    const at = index * ROUTE_BYTES;
    buffer.writeUInt32BE(ipv4Number(prefix4Address(subnet)), at);
    buffer.writeUInt32BE(ipv4Number(address), at + 4);
    buffer.writeUInt16BE(port, at + 8);
    buffer.writeUInt8(prefixLength(subnet), at + 10);
  }
  return buffer;
}
