// What this host has to keep firewall rules with: looked at once at the start, while a missing program can still be named
// to the person who starts the daemon. Changes nothing.

import { FlannelError } from "../base/errors.ts";
import { FAMILIES, type Family } from "../base/ip.ts";
import type { Logger } from "../base/log.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";
import {
  type IptablesFeatures,
  type IptablesKind,
  iptablesPlace,
  nftAccepts,
  nftPlace,
  type Place,
  type PlaceDeps,
  probeIptables,
} from "./place.ts";
import { MULTICAST, type RuleSet } from "./rule.ts";
import type { RuleOptions } from "./wanted-rules.ts";

export interface FirewallOptions extends RuleOptions {
  /** False with --ip-masq-fully-random-disable. */
  readonly random: boolean;
}

export interface FirewallTools {
  /** One for each family of the network. */
  readonly places: readonly Place[];
  /** Whether masquerade ports are chosen fully at random. */
  readonly random: boolean;
  /** Other places where rules of an earlier config, or of a Go daemon, may be. */
  former(signal: AbortSignal): Promise<readonly Place[]>;
}

export interface OpenFirewallDeps extends PlaceDeps {
  readonly log: Logger;
  /** Whether packets on a bridge are shown to iptables (br_netfilter). */
  readonly hasBridgeFilter: () => Promise<boolean>;
}

/** Throws `firewall.missing` when --ip-masq was asked for and there is nothing to do it with. */
export async function openFirewall(
  network: NetworkConfig,
  options: FirewallOptions,
  deps: OpenFirewallDeps,
  signal: AbortSignal,
): Promise<FirewallTools> {
  const families = FAMILIES.filter((family) => network[family] !== null);
  return network.nftables
    ? await openNftables(families, options, deps, signal)
    : await openIptables(families, options, deps, signal);
}

async function openNftables(
  families: readonly Family[],
  options: FirewallOptions,
  deps: OpenFirewallDeps,
  signal: AbortSignal,
): Promise<FirewallTools> {
  const [first = "ipv4"] = families;
  const random = options.masquerade && options.random && (await nftAccepts(first, RANDOM[first], deps, signal));
  const nft = await deps.runTool(["nft", "--version"], "", signal);
  if (nft.kind === "missing") missTool("nft", "install nftables, or set EnableNFTables to false", options, deps.log);
  return {
    places: families.map((family) => nftPlace(family, deps)),
    random,
    former: async (until) => [
      ...FAMILIES.filter((family) => !families.includes(family)).map((family) => nftPlace(family, deps)),
      ...(await iptablesPlaces(FAMILIES, deps, until)),
    ],
  };
}

/** A rule that shows whether the kernel knows how. */
const RANDOM: Readonly<Record<Family, RuleSet>> = { ipv4: randomRules("ipv4"), ipv6: randomRules("ipv6") };

function randomRules(family: Family): RuleSet {
  const source = { prefix: MULTICAST[family], negated: false };
  return { forward: [], masquerade: [{ mark: null, source, destination: null, verdict: "masquerade-random" }] };
}

async function openIptables(
  families: readonly Family[],
  options: FirewallOptions,
  deps: OpenFirewallDeps,
  signal: AbortSignal,
): Promise<FirewallTools> {
  const places: Place[] = [];
  let recent = true;
  for (const family of families) {
    const features = await probeIptables(family, "", deps, signal);
    const tool = family === "ipv4" ? "iptables-restore" : "ip6tables-restore";
    if (!features) missTool(tool, "install iptables, or set EnableNFTables in the network config", options, deps.log);
    else recent &&= features.recent;
    places.push(iptablesPlace(family, "", features ?? NOT_THERE_YET, deps));
  }
  if (!(await deps.hasBridgeFilter())) {
    deps.log.warn("packets between containers of this host do not pass iptables, which Kubernetes services need", {
      hint: "modprobe br_netfilter",
    });
  }
  return {
    places,
    random: options.random && recent,
    former: async (until) => {
      const used = places.map(({ name }) => name);
      const others = await iptablesPlaces(FAMILIES, deps, until);
      return [
        ...FAMILIES.map((family) => nftPlace(family, deps)),
        ...others.filter(({ name }) => !used.includes(name)),
      ];
    },
  };
}

/** Whoever installs it later installs one that can do everything. */
const NOT_THERE_YET: IptablesFeatures = { kind: "nft", recent: true };

const KINDS: readonly IptablesKind[] = ["", "-nft", "-legacy"];

/** The rules of both kinds of iptables are in force side by side; the plain name stands for one of the two. */
async function iptablesPlaces(families: readonly Family[], deps: PlaceDeps, signal: AbortSignal): Promise<Place[]> {
  const places: Place[] = [];
  for (const family of families) {
    const seen = new Set<string>();
    for (const kind of KINDS) {
      const features = await probeIptables(family, kind, deps, signal);
      if (!features || seen.has(features.kind)) continue;
      seen.add(features.kind);
      places.push(iptablesPlace(family, kind, features, deps));
    }
  }
  return places;
}

/** Compat: the forward rules are on by default, so a host that has never had iptables must start all the same. */
function missTool(tool: string, remedy: string, options: FirewallOptions, log: Logger): void {
  if (options.masquerade) {
    const orNot = `${remedy}, or start with --ip-masq=false`;
    throw new FlannelError("firewall.missing", { flag: "--ip-masq", tool, remedy: orNot });
  }
  if (!options.forward) return;
  log.warn("forwarded traffic of the overlay network is not accepted by rules of ours", {
    reason: `there is no ${tool} in the PATH`,
    hint: `${remedy}, or start with --iptables-forward-rules=false`,
  });
}
