// What the firewall's tests talk about: a network of both families, its rules as iptables-save prints them, and whose a
// rule is.

import { type Prefix, type Prefix4, parsePrefix4, prefix4Overlaps } from "../../src/base/ip.ts";
import { parsePrefix6 } from "../../src/base/ipv6.ts";
import type { RuleSet } from "../../src/firewall/rule.ts";
import type { IsOurs } from "../../src/firewall/settle-chain.ts";
import { planRules } from "../../src/firewall/wanted-rules.ts";
import type { Subnet } from "../../src/subnet/lease.ts";
import { type NetworkConfig, parseNetworkConfig } from "../../src/subnet/network-config.ts";

const V4 = '"Network": "10.5.0.0/16"';
const V6 = '"EnableIPv6": true, "IPv6Network": "fd00:5::/48"';

export const NETWORK: NetworkConfig = parseNetworkConfig(`{${V4}}`);
export const DUAL_STACK: NetworkConfig = parseNetworkConfig(`{${V4}, ${V6}}`);
export const SUBNET: Subnet = { v4: parsePrefix4("10.5.7.0/24"), v6: parsePrefix6("fd00:5:0:7::/64") };

export const BOTH = { masquerade: true, forward: true };

export function rulesOf(options: { readonly masquerade: boolean; readonly forward: boolean }, random = true): RuleSet {
  return planRules("ipv4", NETWORK, SUBNET, options, random);
}

export function overlapping(...networks: readonly string[]): IsOurs {
  return (prefix: Prefix) => networks.some((network) => prefix4Overlaps(network as Prefix4, prefix as Prefix4));
}

export const isOurs = overlapping("10.5.0.0/16");

/** The rules of the Go daemon for a network and a subnet, as its end-to-end test expects them of `iptables -S`. */
export function goMasquerade(net: string, pod: string, random = " --random-fully"): readonly string[] {
  const comment = '-m comment --comment "flanneld masq"';
  return [
    `-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 ${comment} -j RETURN`,
    `-A FLANNEL-POSTRTG -s ${pod} -d ${net} ${comment} -j RETURN`,
    `-A FLANNEL-POSTRTG -s ${net} -d ${pod} ${comment} -j RETURN`,
    `-A FLANNEL-POSTRTG ! -s ${net} -d ${pod} ${comment} -j RETURN`,
    `-A FLANNEL-POSTRTG -s ${net} ! -d 224.0.0.0/4 ${comment} -j MASQUERADE${random}`,
    `-A FLANNEL-POSTRTG ! -s ${net} -d ${net} ${comment} -j MASQUERADE${random}`,
  ];
}

export function goForward(net: string): readonly string[] {
  const comment = '-m comment --comment "flanneld forward"';
  return [`-A FLANNEL-FWD -s ${net} ${comment} -j ACCEPT`, `-A FLANNEL-FWD -d ${net} ${comment} -j ACCEPT`];
}

export const MASQ_JUMP = '-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG';
export const FORWARD_JUMP = '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD';
