// (network, subnet, flags) -> the rules that the host is to have. Pure.
// Compat: the packets are those of the Go daemon's iptables mode, in both modes. Its nftables mode compares the whole mark
// and never masquerades what a host sends to a remote pod; that is not copied.

import type { Family, Prefix } from "../base/ip.ts";
import type { Subnet } from "../subnet/lease.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";
import { type AddressMatch, MULTICAST, NO_RULES, type Rule, type RuleSet, type Verdict } from "./rule.ts";

export interface RuleOptions {
  /** --ip-masq */
  readonly masquerade: boolean;
  /** --iptables-forward-rules */
  readonly forward: boolean;
}

/** What kube-proxy marks to masquerade it itself. */
const KUBE_MARK = 0x4000;

/** `random`: whether the host can choose masquerade ports fully at random, and shall. */
export function planRules(
  family: Family,
  network: NetworkConfig,
  subnet: Subnet,
  options: RuleOptions,
  random: boolean,
): RuleSet {
  const net = network[family]?.network;
  const pod = family === "ipv4" ? subnet.v4 : subnet.v6;
  if (!net || !pod) return NO_RULES;
  return {
    masquerade: options.masquerade ? planMasquerade(family, net, pod, random) : [],
    forward: options.forward ? planForward(net) : [],
  };
}

function planMasquerade(family: Family, net: Prefix, pod: Prefix, random: boolean): Rule[] {
  const masquerade: Verdict = random ? "masquerade-random" : "masquerade";
  return [
    { mark: KUBE_MARK, source: null, destination: null, verdict: "return" },
    // Inside the overlay every pod is seen under its own address.
    rule(is(pod), is(net), "return"),
    rule(is(net), is(pod), "return"),
    // Whoever reaches our pods from outside is seen under its own address, too.
    rule(not(net), is(pod), "return"),
    // Outside nobody has a way back to a pod.
    rule(is(net), not(MULTICAST[family]), masquerade),
    // What the host sends to a remote pod must come from an address that the other host has a way back to.
    rule(not(net), is(net), masquerade),
  ];
}

function planForward(net: Prefix): Rule[] {
  return [rule(is(net), null, "accept"), rule(null, is(net), "accept")];
}

function rule(source: AddressMatch | null, destination: AddressMatch | null, verdict: Verdict): Rule {
  return { mark: null, source, destination, verdict };
}

function is(prefix: Prefix): AddressMatch {
  return { prefix, negated: false };
}

function not(prefix: Prefix): AddressMatch {
  return { prefix, negated: true };
}
