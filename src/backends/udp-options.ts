// The Backend object of the network config, as udp reads it. The Go daemon reads Port and ignores the rest.

import { DATAPATH_FEATURES, type DatapathFeature } from "../base/datapath.ts";
import { boolean, integer, type Json, jsonObject } from "../base/json.ts";
import { readMtu } from "./mtu.ts";
import { OVERHEAD } from "./udp-carrier.ts";

export interface UdpOptions {
  readonly port: number;
  /** MTU of the underlay as the config gives it; null to take the interface's. */
  readonly mtu: number | null;
  /** Each can be switched off by a member of its name. */
  readonly features: ReadonlySet<DatapathFeature>;
  /** Of the socket in each direction, in bytes; 0 for what the system has set. */
  readonly bufferSize: number;
  readonly checkSource: boolean;
}

const DEFAULT_PORT = 8285;
const DEFAULT_BUFFER = 8 * 1024 * 1024;
const LARGEST_BUFFER = 1024 * 1024 * 1024;

/** Throws `config.invalid` with the path of the first member that does not fit. */
export function readUdpOptions(raw: { readonly [key: string]: Json }): UdpOptions {
  const options = jsonObject(raw, "$.Backend");
  return {
    port: integer(options, "Port", { min: 0, max: 65_535, default: 0 }) || DEFAULT_PORT,
    mtu: readMtu(options, OVERHEAD),
    features: new Set(DATAPATH_FEATURES.filter((feature) => boolean(options, feature, true))),
    bufferSize: integer(options, "BufferSize", { min: 0, max: LARGEST_BUFFER, default: DEFAULT_BUFFER }),
    checkSource: boolean(options, "CheckSource", true),
  };
}

/** The members of Backend that udp reads, with the values that it goes by; MTU null: the interface decides. */
export function udpSettings(raw: { readonly [key: string]: Json }): { readonly [name: string]: Json } {
  const { port, mtu, checkSource, bufferSize, features } = readUdpOptions(raw);
  const switches = Object.fromEntries(DATAPATH_FEATURES.map((feature) => [feature, features.has(feature)]));
  return { Port: port, MTU: mtu, CheckSource: checkSource, BufferSize: bufferSize, ...switches };
}
