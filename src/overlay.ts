// What the network config makes of this host: the network and the backend that carries it. And which changes of a config
// a running daemon can follow. Pure.

import { isDeepStrictEqual } from "node:util";
import type { Backend } from "./backends/backend.ts";
import { backendSettings, createBackend } from "./backends/registry.ts";
import { FlannelError, isError } from "./base/errors.ts";
import { type Ip, type Prefix, type Prefix4, prefix4Contains } from "./base/ip.ts";
import { type Prefix6, prefix6Contains } from "./base/ipv6.ts";
import type { Subnet } from "./subnet/lease.ts";
import { type NetworkConfig, parseNetworkConfig } from "./subnet/network-config.ts";
import { type SubnetSpace, spacesOf } from "./subnet/subnet-space.ts";

export interface Overlay {
  /** The config as it was written. */
  readonly text: string;
  readonly network: NetworkConfig;
  readonly backend: Backend;
}

/** `key` is the full etcd key, for people. Throws `config.invalid` with it. */
export function readOverlay(text: string, key: string): Overlay {
  try {
    const network = parseNetworkConfig(text);
    return { text, network, backend: createBackend(network.backend) };
  } catch (error) {
    if (!isError(error, "config.invalid")) throw error;
    const { at, reason } = error.info;
    throw new FlannelError("config.invalid", { at: `network config in etcd at ${key}: ${at}`, reason });
  }
}

export type ConfigChange =
  | { readonly kind: "none" }
  /** Can be followed as it is; `changed` names the members. */
  | { readonly kind: "live"; readonly overlay: Overlay; readonly changed: readonly string[] }
  /** Takes effect at the next start; `changed` names the members that are the reason. */
  | { readonly kind: "restart"; readonly changed: readonly string[] }
  /** Is gone, or is no config. */
  | { readonly kind: "unusable"; readonly reason: string };

/** What a config that is another than the one in force means to a host with the subnet `own`. */
export function judgeChange(inForce: Overlay, text: string | null, key: string, own: Subnet): ConfigChange {
  if (text === inForce.text) return { kind: "none" };
  if (text === null) return { kind: "unusable", reason: `the network config is gone from etcd at ${key}` };
  try {
    return compare(inForce, readOverlay(text, key), own);
  } catch (error) {
    if (isError(error, "config.invalid")) return { kind: "unusable", reason: error.message };
    throw error;
  }
}

function compare(inForce: Overlay, next: Overlay, own: Subnet): ConfigChange {
  const changes = [...changesOfNetwork(inForce, next, own), ...changesOfBackend(inForce, next)];
  const unsafe = changes.filter(({ isSafe }) => !isSafe);
  if (unsafe.length > 0) return { kind: "restart", changed: unsafe.map(({ member }) => member) };
  return { kind: "live", overlay: next, changed: changes.map(({ member }) => member) };
}

interface Change {
  readonly member: string;
  readonly isSafe: boolean;
}

/** Safe is what takes nothing away: our subnet fits, and the network has grown around all others. */
function changesOfNetwork({ network: old }: Overlay, { network: now }: Overlay, own: Subnet): readonly Change[] {
  const { v4, v6 } = spacesOf(now);
  return [
    ...changesOfFamily("", old.ipv4, now.ipv4, fits(v4, own.v4), prefix4Contains as Contains),
    ...changesOfFamily("IPv6", old.ipv6, now.ipv6, fits(v6, own.v6), prefix6Contains as Contains),
    { member: "EnableNFTables", isSafe: false, differs: old.nftables !== now.nftables },
  ].filter(({ differs }) => differs);
}

interface FamilyNetwork {
  readonly network: Prefix;
  readonly subnetLen: number;
  readonly subnetMin: Ip;
  readonly subnetMax: Ip;
}

type Contains = (outer: Prefix, inner: Prefix) => boolean;

function fits<P extends Prefix4 | Prefix6>(space: SubnetSpace<P> | null, own: P | null): boolean {
  return space !== null && own !== null && space.isLeasable(own);
}

/** `label` stands before the names of the family's members. A family is switched on or off with a restart. */
function changesOfFamily(
  label: "" | "IPv6",
  old: FamilyNetwork | null,
  now: FamilyNetwork | null,
  isSafe: boolean,
  contains: Contains,
): readonly (Change & { readonly differs: boolean })[] {
  if (!old || !now) {
    return [
      { member: label === "" ? "EnableIPv4" : "EnableIPv6", isSafe: false, differs: (old === null) !== (now === null) },
    ];
  }
  const grows = contains(now.network, old.network);
  return [
    { member: `${label}Network`, isSafe: grows && isSafe, differs: old.network !== now.network },
    { member: `${label}SubnetLen`, isSafe, differs: old.subnetLen !== now.subnetLen },
    { member: `${label}SubnetMin`, isSafe, differs: old.subnetMin !== now.subnetMin },
    { member: `${label}SubnetMax`, isSafe, differs: old.subnetMax !== now.subnetMax },
  ];
}

/** By what the backend makes of them: a default that is written out changes nothing. */
function changesOfBackend(before: Overlay, after: Overlay): readonly Change[] {
  if (before.backend.type !== after.backend.type) return [{ member: "Backend.Type", isSafe: false }];
  const [old, now] = [backendSettings(before.network.backend), backendSettings(after.network.backend)];
  return Object.keys(now)
    .filter((name) => !isDeepStrictEqual(old[name], now[name]))
    .map((name) => ({ member: `Backend.${name}`, isSafe: after.backend.liveOptions.includes(name) }));
}
