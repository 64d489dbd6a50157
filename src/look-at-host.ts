// Gathers what a running daemon judges its host by: of its own view of the network, and of the kernel. What the kernel
// does not tell is told as unknown, and nothing follows from it.

import type { NetworkView } from "./backends/backend.ts";
import { type Prefix4, prefix4Contains, prefixLength } from "./base/ip.ts";
import { mapInParallel } from "./base/tasks.ts";
import { type HostFacts, known, NO_IPV4_NETWORK, orUnknown, type RouteFact, unknown } from "./check/facts.ts";
import type { HostSight } from "./check/host-probe.ts";
import { isFlannel, reversePathSysctls } from "./check/interface-checks.ts";
import { samplePeers, wayAddress } from "./check/peer-sample.ts";
import { wantedBackend } from "./check/wanted-backend.ts";
import type { KernelNet } from "./net/kernel-net.ts";
import type { Underlay } from "./net/underlay.ts";
import { hasIpv4, type Lease } from "./subnet/lease.ts";
import { familiesOf } from "./subnet/network-families.ts";

export interface LookAtHostDeps {
  readonly kernel: Pick<KernelNet, "links" | "lookup" | "underlayFacts">;
  readonly sight: HostSight;
  /** Of the network, in etcd. */
  readonly prefix: string;
}

/** Lookups of routes that are under way at the same time. */
const AT_ONCE = 4;

export type HostView = Pick<NetworkView, "network" | "underlay" | "peers">;

export async function lookAtHost(
  { network, underlay, peers }: HostView,
  { kernel, sight, prefix }: LookAtHostDeps,
  signal: AbortSignal,
): Promise<HostFacts> {
  const families = familiesOf(network);
  const seen = await orUnknown(() => kernel.underlayFacts(families, signal));
  const sample = samplePeers(peers);
  const ways = await orUnknown(() =>
    mapInParallel(
      sample,
      AT_ONCE,
      async (lease, scope) => ({ lease, way: await kernel.lookup(wayAddress(lease, families), scope) }),
      signal,
    ),
  );
  // What is judged by the links is judged by these ways as well: without either it is not known.
  const links = ways.known ? await orUnknown(() => kernel.links(signal)) : ways;
  const own = (links.known ? links.value : []).map(({ name }) => name).filter(isFlannel);
  return {
    prefix,
    families,
    network: network.ipv4 ? known(network.ipv4) : unknown(NO_IPV4_NETWORK),
    network6: network.ipv6,
    backends: [wantedBackend(network.backend)],
    isBackendKnown: true,
    sysctls: await sight.sysctls(reversePathSysctls([underlay.link, ...own])),
    reversePathDrops: await sight.reversePathDrops(),
    underlay: known(underlay),
    interfaces: seen.known ? known(seen.value.interfaces) : seen,
    links,
    routes: await sight.routes(isOfUse(underlay, sample)),
    rules: await sight.rules(families, signal),
    peers: ways.known ? ways.value : [],
  };
}

/**
 * With thousands of peers most routes are flanneld's own: of those by its devices and by the underlay only the ones that
 * hold a peer that is looked at can be of use.
 */
function isOfUse(underlay: Underlay, peers: readonly Lease[]): (route: RouteFact) => boolean {
  const subnets = new Set(peers.flatMap(({ subnet }) => (hasIpv4(subnet) ? [subnet.v4] : [])));
  const longest = Math.max(0, ...[...subnets].map(prefixLength));
  const holds = (dst: Prefix4) =>
    subnets.has(dst) || (prefixLength(dst) < longest && [...subnets].some((subnet) => prefix4Contains(dst, subnet)));
  return ({ dst, dev }) => !(isFlannel(dev) || dev === underlay.link) || holds(dst);
}
