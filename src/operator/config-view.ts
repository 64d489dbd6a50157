// The values that a valid network config comes to, as rows for people and as JSON for programs. Pure.

import type { Json } from "../base/json.ts";
import { countSubnets, subnetAt } from "../subnet/network-config.ts";
import type { ValidConfig } from "./check-config.ts";

/** By the names that the config has for them, in its order; the Backend's as "Backend.VNI". */
export function effectiveValues({ network, ipv4, settings }: ValidConfig): ReadonlyMap<string, Json> {
  return new Map<string, Json>([
    ["Network", ipv4.network],
    ["SubnetLen", ipv4.subnetLen],
    ["SubnetMin", ipv4.subnetMin],
    ["SubnetMax", ipv4.subnetMax],
    ["EnableNFTables", network.nftables],
    ["Backend.Type", network.backend.type],
    ...Object.entries(settings).map(([name, value]): [string, Json] => [`Backend.${name}`, value]),
  ]);
}

export function formatValue(value: Json | undefined): string {
  if (value === undefined) return "(none)";
  if (value === null) return "of the interface";
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function describeConfig(config: ValidConfig): readonly (readonly [string, string])[] {
  const { ipv4 } = config;
  const count = countSubnets(ipv4);
  const range = `${count}, from ${subnetAt(ipv4, 0)} to ${subnetAt(ipv4, count - 1)}`;
  const rows = [...effectiveValues(config)].map(([name, value]): [string, string] => [name, formatValue(value)]);
  return [...rows.slice(0, 4), ["subnets", range], ...rows.slice(4)];
}

export function configJson(config: ValidConfig): Json {
  const { network, ipv4, settings } = config;
  const count = countSubnets(ipv4);
  return {
    network: ipv4.network,
    subnetLen: ipv4.subnetLen,
    subnetMin: ipv4.subnetMin,
    subnetMax: ipv4.subnetMax,
    subnets: { count, first: subnetAt(ipv4, 0), last: subnetAt(ipv4, count - 1) },
    enableNFTables: network.nftables,
    backend: { type: network.backend.type, settings },
  };
}

/** A sentence for each member that nobody reads. */
/** Compat: the Go daemon takes udp, too. */
const NO_BACKEND =
  '$.Backend: there is none, which means udp: flanneld itself then carries every packet; most networks want {"Type": "vxlan"}';

export function formatWarnings({ network, unread }: ValidConfig): readonly string[] {
  const reader = (path: string) => (path.startsWith("$.Backend.") ? `the backend ${network.backend.type}` : "flanneld");
  const unknown = unread.map(
    (path) => `${path}: ${reader(path)} does not know this member and ignores it; is it misspelt?`,
  );
  return Object.keys(network.backend.options).length > 0 ? unknown : [NO_BACKEND, ...unknown];
}
