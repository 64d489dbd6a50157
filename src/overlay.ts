// What the network config makes of this host: the network and the backend that carries it. And which changes of a config
// a running daemon can follow. Pure.

import { isDeepStrictEqual } from "node:util";
import type { Backend } from "./backends/backend.ts";
import { backendSettings, createBackend } from "./backends/registry.ts";
import { FlannelError, isError } from "./base/errors.ts";
import { prefix4Address, prefix4Contains, prefixLength } from "./base/ip.ts";
import type { Subnet } from "./subnet/lease.ts";
import { type Ipv4Network, isLeasable, type NetworkConfig, parseNetworkConfig } from "./subnet/network-config.ts";

export interface Overlay {
  /** The config as it was written. */
  readonly text: string;
  readonly network: NetworkConfig;
  readonly ipv4: Ipv4Network;
  readonly backend: Backend;
}

/** `key` is the full etcd key, for people. Throws `config.invalid` with it. */
export function readOverlay(text: string, key: string): Overlay {
  try {
    const network = parseNetworkConfig(text);
    return { text, network, ipv4: requireIpv4(network), backend: createBackend(network.backend) };
  } catch (error) {
    if (!isError(error, "config.invalid")) throw error;
    const { at, reason } = error.info;
    throw new FlannelError("config.invalid", { at: `network config in etcd at ${key}: ${at}`, reason });
  }
}

/** Throws `config.invalid` for a config that enables IPv6. */
export function requireIpv4({ ipv4, ipv6 }: NetworkConfig): Ipv4Network {
  if (ipv4 && !ipv6) return ipv4;
  throw new FlannelError("config.invalid", {
    at: "$.EnableIPv6",
    reason: "IPv6 is not built into this flanneld yet; set it to false",
  });
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
function changesOfNetwork(before: Overlay, after: Overlay, own: Subnet): readonly Change[] {
  const [old, now] = [before.ipv4, after.ipv4];
  const grows =
    prefixLength(now.network) <= prefixLength(old.network) && prefix4Contains(now.network, prefix4Address(old.network));
  const fits = isLeasable(now, own.v4);
  return [
    { member: "Network", isSafe: grows && fits, differs: old.network !== now.network },
    { member: "SubnetLen", isSafe: fits, differs: old.subnetLen !== now.subnetLen },
    { member: "SubnetMin", isSafe: fits, differs: old.subnetMin !== now.subnetMin },
    { member: "SubnetMax", isSafe: fits, differs: old.subnetMax !== now.subnetMax },
    { member: "EnableNFTables", isSafe: false, differs: before.network.nftables !== after.network.nftables },
  ].filter(({ differs }) => differs);
}

/** By what the backend makes of them: a default that is written out changes nothing. */
function changesOfBackend(before: Overlay, after: Overlay): readonly Change[] {
  if (before.backend.type !== after.backend.type) return [{ member: "Backend.Type", isSafe: false }];
  const [old, now] = [backendSettings(before.network.backend), backendSettings(after.network.backend)];
  return Object.keys(now)
    .filter((name) => !isDeepStrictEqual(old[name], now[name]))
    .map((name) => ({ member: `Backend.${name}`, isSafe: after.backend.liveOptions.includes(name) }));
}
