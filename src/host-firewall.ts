// The firewall of this daemon: which rules follow from its config, its flags and its lease, and which of those on the host
// are ours.

import { messageOf } from "./base/errors.ts";
import { type Family, type Prefix, type Prefix4, prefix4Overlaps } from "./base/ip.ts";
import { type Prefix6, prefix6Overlaps } from "./base/ipv6.ts";
import type { Options } from "./cli/options.ts";
import { createFirewall, type Firewall } from "./firewall/firewall.ts";
import { type FirewallTools, openFirewall } from "./firewall/open.ts";
import type { RuleSet } from "./firewall/rule.ts";
import { planRules } from "./firewall/wanted-rules.ts";
import type { Ports } from "./ports.ts";
import type { Subnet } from "./subnet/lease.ts";
import type { NetworkConfig } from "./subnet/network-config.ts";
import { parsePreviousNetworks } from "./subnet/subnet-file.ts";

export interface LearnedFirewall {
  readonly tools: FirewallTools;
  /** The networks of the last run, whose rules are ours, too. */
  readonly previous: readonly Prefix[];
}

/** Changes nothing. Throws `firewall.missing`. */
export async function learnFirewall(
  network: NetworkConfig,
  options: Options,
  ports: Ports,
  signal: AbortSignal,
): Promise<LearnedFirewall> {
  const wanted = { ...options.firewall, masquerade: options.ipMasq };
  const tools = await openFirewall(network, wanted, ports, signal);
  return { tools, previous: await previousNetworks(options.subnetFile, ports) };
}

/** A file that cannot be read says nothing; whoever reads our previous subnet from it tells that. */
async function previousNetworks(path: string, { readSubnetFile, log }: Ports): Promise<readonly Prefix[]> {
  try {
    return parsePreviousNetworks((await readSubnetFile(path)) ?? "");
  } catch (error) {
    log.debug("the networks of the last run are not known", { path, reason: messageOf(error) });
    return [];
  }
}

/** What the rules follow from, as now in force. */
export interface HostState {
  readonly network: NetworkConfig;
  readonly subnet: Subnet;
}

export function createHostFirewall(
  { tools, previous }: LearnedFirewall,
  options: Options,
  state: () => HostState,
  deps: Ports,
): Firewall {
  const wanted = { ...options.firewall, masquerade: options.ipMasq };
  const rules = rememberEqual((family, { network, subnet }) =>
    planRules(family, network, subnet, wanted, tools.random),
  );
  const networks = (): readonly Prefix[] => {
    const { ipv4, ipv6 } = state().network;
    return [...previous, ...[ipv4?.network, ipv6?.network].filter((prefix) => prefix !== undefined)];
  };
  return createFirewall(
    {
      rules: (family) => rules(family, state()),
      isOurs: (prefix) => networks().some((network) => overlap(network, prefix)),
    },
    tools,
    options.firewall.resync,
    deps,
  );
}

/** The same rules are the same object. */
function rememberEqual(plan: (family: Family, state: HostState) => RuleSet): typeof plan {
  const known = new Map<Family, RuleSet>();
  return (family, state) => {
    const last = known.get(family);
    const rules = plan(family, state);
    if (last && JSON.stringify(last) === JSON.stringify(rules)) return last;
    known.set(family, rules);
    return rules;
  };
}

function overlap(a: Prefix, b: Prefix): boolean {
  const isV6 = a.includes(":");
  if (isV6 !== b.includes(":")) return false;
  return isV6 ? prefix6Overlaps(a as Prefix6, b as Prefix6) : prefix4Overlaps(a as Prefix4, b as Prefix4);
}
