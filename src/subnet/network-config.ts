// The network config: the JSON that an operator puts at <prefix>/config, parsed, validated and derived as the Go daemon
// does, in its words where people grep for them. It does not know the backends: their members are handed on as they are.

import { FlannelError, isError } from "../base/errors.ts";
import type { Ip, Ipv4, Prefix, Prefix4 } from "../base/ip.ts";
import { ipv4FromNumber, ipv4Number, parseIpv4, parsePrefix4, prefixLength } from "../base/ip.ts";
import type { Ipv6, Prefix6 } from "../base/ipv6.ts";
import { ipv6FromNumber, ipv6Number, parseIpv6, parsePrefix6 } from "../base/ipv6.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { boolean, excerpt, integer, invalidMember, jsonObject, member, string, unknownMembers } from "../base/json.ts";
import { parseJson } from "../base/json-text.ts";
import { specialRangeIn } from "./special-ranges.ts";

/** The IPv4 side. Total: every derived default is filled in. */
export interface Ipv4Network {
  readonly network: Prefix4;
  readonly subnetLen: number;
  readonly subnetMin: Ipv4;
  readonly subnetMax: Ipv4;
}

export interface Ipv6Network {
  readonly network: Prefix6;
  readonly subnetLen: number;
  readonly subnetMin: Ipv6;
  readonly subnetMax: Ipv6;
}

export interface NetworkConfig {
  /** Null when EnableIPv4 is false. */
  readonly ipv4: Ipv4Network | null;
  /** Null unless EnableIPv6. */
  readonly ipv6: Ipv6Network | null;
  readonly nftables: boolean;
  readonly backend: {
    /** Lower case. "udp" when the config has no Backend (Compat). */
    readonly type: string;
    /** The members of the Backend object, for the backend to read. */
    readonly options: { readonly [key: string]: Json };
  };
}

const KNOWN = [
  "Network",
  "IPv6Network",
  "EnableIPv4",
  "EnableIPv6",
  "EnableNFTables",
  "SubnetLen",
  "SubnetMin",
  "SubnetMax",
  "IPv6SubnetLen",
  "IPv6SubnetMin",
  "IPv6SubnetMax",
  "Backend",
];

/**
 * Throws `config.invalid` with the path and the reason. The members of a family that is switched off are not looked at.
 */
export function parseNetworkConfig(text: string): NetworkConfig {
  const config = rootObject(text);
  const ipv4 = boolean(config, "EnableIPv4", true) ? deriveNetwork(config, IPV4) : null;
  const ipv6 = boolean(config, "EnableIPv6", false) ? deriveNetwork(config, IPV6) : null;
  if (!ipv4 && !ipv6) {
    throw new FlannelError("config.invalid", {
      at: config.at,
      reason: "none defined stack: EnableIPv4 and EnableIPv6 are both false",
    });
  }
  return { ipv4, ipv6, nftables: boolean(config, "EnableNFTables", false), backend: parseBackend(config) };
}

/** What parseNetworkConfig reads independently of each other, for whoever looks for every problem. Each throws like it. */
export const CONFIG_PARTS: readonly ((text: string) => unknown)[] = [
  (text) => boolean(rootObject(text), "EnableIPv4", true) && deriveNetwork(rootObject(text), IPV4),
  (text) => boolean(rootObject(text), "EnableIPv6", false) && deriveNetwork(rootObject(text), IPV6),
  (text) => boolean(rootObject(text), "EnableNFTables", false),
  configBackend,
];

/** The Backend alone, of a config whatever else is in it. */
export function configBackend(text: string): NetworkConfig["backend"] {
  return parseBackend(rootObject(text));
}

/** Paths of the members that the daemon does not read, for one log line. Takes text that parseNetworkConfig accepted. */
export function unknownConfigMembers(text: string): readonly string[] {
  return unknownMembers(rootObject(text), KNOWN);
}

/** Compat: a document that says null is an empty config. */
function rootObject(text: string): JsonObject {
  return jsonObject(parseJson(text) ?? {}, "$");
}

function parseBackend(config: JsonObject): NetworkConfig["backend"] {
  const value = member(config, "Backend");
  // Compat: the Go daemon's documentation says vxlan, its code says udp.
  if (value === undefined) return { type: "udp", options: {} };
  if (value !== null && (typeof value !== "object" || Array.isArray(value))) {
    const reason = `error decoding Backend property of config: it must be an object, but is ${excerpt(value)}`;
    throw invalidMember(config, "Backend", reason);
  }
  const options = (value ?? {}) as { readonly [key: string]: Json };
  const backend = jsonObject(options, "$.Backend");
  const type = string(backend, "Type", "").toLowerCase();
  if (type === "") throw invalidMember(backend, "Type", 'is missing: name the backend, for example "vxlan"');
  return { type, options };
}

/** What differs between the two families; everything else is one piece of arithmetic. */
interface Family<A extends Ip, P extends Prefix> {
  /** Before the names of its members. */
  readonly label: "" | "IPv6";
  readonly name: "IPv4" | "IPv6";
  readonly bits: 32 | 128;
  /** SubnetLen when the network has room for four of that size. */
  readonly usualLen: number;
  /** Null in SubnetMin and SubnetMax: unset, or an error (Compat). */
  readonly nullIsUnset: boolean;
  readonly parsePrefix: (text: string) => P;
  readonly parseAddress: (text: string) => A;
  readonly numberOf: (address: A) => bigint;
  readonly addressOf: (value: bigint) => A;
}

const IPV4: Family<Ipv4, Prefix4> = {
  label: "",
  name: "IPv4",
  bits: 32,
  usualLen: 24,
  nullIsUnset: false,
  parsePrefix: parsePrefix4,
  parseAddress: parseIpv4,
  numberOf: (address) => BigInt(ipv4Number(address)),
  addressOf: (value) => ipv4FromNumber(Number(value)),
};

const IPV6: Family<Ipv6, Prefix6> = {
  label: "IPv6",
  name: "IPv6",
  bits: 128,
  usualLen: 64,
  nullIsUnset: true,
  parsePrefix: parsePrefix6,
  parseAddress: parseIpv6,
  numberOf: ipv6Number,
  addressOf: ipv6FromNumber,
};

interface DerivedNetwork<A extends Ip, P extends Prefix> {
  readonly network: P;
  readonly subnetLen: number;
  readonly subnetMin: A;
  readonly subnetMax: A;
}

function deriveNetwork<A extends Ip, P extends Prefix>(config: JsonObject, family: Family<A, P>): DerivedNetwork<A, P> {
  const network = parseNetwork(config, family);
  const subnetLen = deriveSubnetLen(config, family, prefixLength(network));
  const first = family.numberOf(network.slice(0, network.indexOf("/")) as A);
  const end = first + (1n << BigInt(family.bits - prefixLength(network)));
  const size = 1n << BigInt(family.bits - subnetLen);
  const bounds = { network, first, end, size };
  const min = parseBound(config, family, "SubnetMin", bounds);
  const max = parseBound(config, family, "SubnetMax", bounds);
  // Compat: unless it is asked for, the first subnet is not used.
  const from = alignedBound(config, family, "SubnetMin", min ?? first + size, size);
  const to = alignedBound(config, family, "SubnetMax", max ?? end - size, size);
  if (from > to) {
    const range = `${family.addressOf(from)} > ${family.addressOf(to)}`;
    const reason = `${family.label}SubnetMin is greater than ${family.label}SubnetMax: ${range}`;
    throw invalidMember(config, `${family.label}SubnetMin`, reason);
  }
  return { network, subnetLen, subnetMin: family.addressOf(from), subnetMax: family.addressOf(to) };
}

function parseNetwork<A extends Ip, P extends Prefix>(config: JsonObject, family: Family<A, P>): P {
  const name = `${family.label}Network`;
  const value = member(config, name);
  const missing = `please define a correct ${name} parameter in the flannel config`;
  if (value === undefined) throw invalidMember(config, name, missing);
  const text = typeof value === "string" ? value : excerpt(value);
  const network = parsedOrNull(family.parsePrefix, text);
  if (network === null) {
    const foreign = parsedOrNull<Prefix>(parsePrefix4, text) ?? parsedOrNull<Prefix>(parsePrefix6, text);
    const reason = foreign ? `invalid ${family.name} CIDR format: ${text}` : `invalid CIDR address: ${text}`;
    throw invalidMember(config, name, reason);
  }
  if (prefixLength(network) === 0) throw invalidMember(config, name, missing);
  const special = specialRangeIn(network);
  if (special === null) return network;
  const reason = `no container can have an address in ${special.prefix} (${special.use}), which ${network} overlaps`;
  throw invalidMember(config, name, reason);
}

function deriveSubnetLen<A extends Ip, P extends Prefix>(
  config: JsonObject,
  { label, bits, usualLen }: Family<A, P>,
  networkLen: number,
): number {
  const name = `${label}SubnetLen`;
  const wanted = integer(config, name, { min: 0, default: 0 });
  if (wanted > bits - 2) throw invalidMember(config, name, `${name} must be less than /${bits - 1}`);
  if (wanted > 0 && wanted < networkLen + 2) {
    const reason = `network must be able to accommodate at least four subnets: /${networkLen} has too few of /${wanted}`;
    throw invalidMember(config, name, reason);
  }
  if (wanted > 0) return wanted;
  if (networkLen > bits - 4) {
    const subject = label === "" ? "network" : "IPv6Network";
    const reason = `${subject} is too small. Minimum useful network prefix is /${bits - 4}`;
    throw invalidMember(config, `${label}Network`, reason);
  }
  return networkLen <= usualLen - 2 ? usualLen : networkLen + 2;
}

type BoundName = "SubnetMin" | "SubnetMax";

/** The bound as configured, inside the network; null when unset. */
function parseBound<A extends Ip, P extends Prefix>(
  config: JsonObject,
  family: Family<A, P>,
  bound: BoundName,
  { network, first, end }: { readonly network: P; readonly first: bigint; readonly end: bigint },
): bigint | null {
  const name = `${family.label}${bound}`;
  const value = member(config, name);
  if (value === undefined || (value === null && family.nullIsUnset)) return null;
  const text = typeof value === "string" ? value : excerpt(value);
  const address = parsedOrNull(family.parseAddress, text);
  if (address === null) {
    const foreign = parsedOrNull<Ip>(parseIpv4, text) ?? parsedOrNull<Ip>(parseIpv6, text);
    const reason = foreign ? `invalid ${family.name} address format: ${text}` : `invalid IP address format: ${text}`;
    throw invalidMember(config, name, reason);
  }
  const number = family.numberOf(address);
  if (number === 0n) return null;
  if (number >= first && number < end) return number;
  const reason = `${name} is not in the range of the ${family.label}Network: ${address} is outside ${network}`;
  throw invalidMember(config, name, reason);
}

function alignedBound<A extends Ip, P extends Prefix>(
  config: JsonObject,
  family: Family<A, P>,
  bound: BoundName,
  value: bigint,
  size: bigint,
): bigint {
  if (value % size === 0n) return value;
  const name = `${family.label}${bound}`;
  throw invalidMember(config, name, `${name} is not on a SubnetLen boundary: ${family.addressOf(value)}`);
}

function parsedOrNull<T>(parse: (text: string) => T, text: string): T | null {
  try {
    return parse(text);
  } catch (error) {
    if (isError(error, "address.invalid")) return null;
    throw error;
  }
}
