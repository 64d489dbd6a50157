// The values that a valid network config comes to, as rows for people and as JSON for programs. Pure.

import type { Json } from "../base/json.ts";
import type { Ipv4Network, Ipv6Network } from "../subnet/network-config.ts";
import { type SubnetSpace, spacesOf } from "../subnet/subnet-space.ts";
import type { ValidConfig } from "./check-config.ts";

/** By the names that the config has for them, in its order; the Backend's as "Backend.VNI". */
export function effectiveValues({ network, settings }: ValidConfig): ReadonlyMap<string, Json> {
  return new Map<string, Json>([
    ...familyValues("", network.ipv4),
    ...familyValues("IPv6", network.ipv6),
    ["EnableNFTables", network.nftables],
    ["Backend.Type", network.backend.type],
    ...Object.entries(settings).map(([name, value]): [string, Json] => [`Backend.${name}`, value]),
  ]);
}

function familyValues(
  label: "" | "IPv6",
  family: Ipv4Network | Ipv6Network | null,
): readonly (readonly [string, Json])[] {
  if (family === null) return [];
  return [
    [`${label}Network`, family.network],
    [`${label}SubnetLen`, family.subnetLen],
    [`${label}SubnetMin`, family.subnetMin],
    [`${label}SubnetMax`, family.subnetMax],
  ];
}

export function formatValue(value: Json | undefined): string {
  if (value === undefined) return "(none)";
  if (value === null) return "of the interface";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** After each family's values how many subnets there are. */
export function describeConfig(config: ValidConfig): readonly (readonly [string, string])[] {
  const { v4, v6 } = spacesOf(config.network);
  const ranges: { readonly [member: string]: readonly [string, string] } = {
    ...(v4 && { SubnetMax: ["subnets", rangeOf(v4)] }),
    ...(v6 && { IPv6SubnetMax: ["IPv6 subnets", rangeOf(v6)] }),
  };
  return [...effectiveValues(config)].flatMap(([name, value]) => {
    const range = ranges[name];
    const row: readonly [string, string] = [name, formatValue(value)];
    return range ? [row, range] : [row];
  });
}

function rangeOf(space: SubnetSpace): string {
  return `${space.count}, from ${space.at(0)} to ${space.at(space.count - 1)}`;
}

export function configJson({ network, settings }: ValidConfig): Json {
  const { v4, v6 } = spacesOf(network);
  return {
    ...familyJson(network.ipv4, v4),
    ipv6: network.ipv6 && familyJson(network.ipv6, v6),
    enableNFTables: network.nftables,
    backend: { type: network.backend.type, settings },
  };
}

/** All null for a family that the network has not. */
function familyJson(
  family: Ipv4Network | Ipv6Network | null,
  space: SubnetSpace | null,
): { readonly [key: string]: Json } {
  const { network = null, subnetLen = null, subnetMin = null, subnetMax = null } = family ?? {};
  const subnets = space && { count: space.count, first: space.at(0), last: space.at(space.count - 1) };
  return { network, subnetLen, subnetMin, subnetMax, subnets };
}

/** Compat: the Go daemon takes udp, too. */
const NO_BACKEND =
  '$.Backend: there is none, which means udp: flanneld itself then carries every packet; most networks want {"Type": "vxlan"}';

/** A sentence for each member that nobody reads, and one if no backend is named. */
export function formatWarnings({ network, unread }: ValidConfig): readonly string[] {
  const reader = (path: string) => (path.startsWith("$.Backend.") ? `the backend ${network.backend.type}` : "flanneld");
  const unknown = unread.map(
    (path) => `${path}: ${reader(path)} does not know this member and ignores it; is it misspelt?`,
  );
  return Object.keys(network.backend.options).length > 0 ? unknown : [NO_BACKEND, ...unknown];
}
