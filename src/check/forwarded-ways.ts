// Where this host sends what it forwards for containers. A rule may be for what comes in by one interface alone, so that
// the host's own packets take another way, and pings tell nothing of it. Pure: what to ask the kernel, and what its answers
// mean.

import {
  type Ipv4,
  ipv4FromNumber,
  ipv4Number,
  type Prefix4,
  prefix4Address,
  prefix4Size,
  prefixLength,
} from "../base/ip.ts";
import { shellWord } from "../base/paste.ts";
import { byHand } from "../base/remedy.ts";
import type { LinkName } from "../net/objects.ts";
import { hasIpv4 } from "../subnet/lease.ts";
import { addressesOf, type Facts, type Known } from "./facts.ts";
import { type Finding, fail, ok, skip } from "./finding.ts";
import { checkForwarding, podDevices } from "./forwarding.ts";
import { ownDevices, ownSubnets } from "./interface-checks.ts";

export interface ForwardedPacket {
  readonly source: Ipv4;
  readonly destination: Ipv4;
  /** That it comes in by. */
  readonly iif: LinkName;
}

/** Null: it is refused. */
export type ForwardedWay = { readonly dev: string; readonly gateway: string | null } | null;

export interface ForwardedCase extends ForwardedPacket {
  /** Where it is bound for. */
  readonly subnet: Prefix4;
  /** By flanneld's own route, or the one to the containers here. */
  readonly right: { readonly dev: LinkName; readonly gateway: Ipv4 | null };
}

export interface ForwardedAnswer extends ForwardedCase {
  readonly way: Known<ForwardedWay>;
}

/** A rule that is not for all of the network is mostly for one peer that is in trouble: these few are enough to see it. */
const MOST_PEERS = 4;

export type RouteFacts = Pick<
  Facts,
  | "underlay"
  | "backends"
  | "isBackendKnown"
  | "links"
  | "prefix"
  | "interfaces"
  | "subnetFile"
  | "store"
  | "network"
  | "routes"
  | "peers"
>;

/** One packet to each of some peers' containers, and one back. None where there are no containers' interfaces yet. */
export function forwardedCases(facts: RouteFacts): readonly ForwardedCase[] {
  const { network, underlay, interfaces, routes, peers } = facts;
  if (!network.known || !underlay.known) return [];
  const here = ownSubnets(facts);
  const pods = podDevices(interfaces.known ? interfaces.value : [], here).ipv4;
  const home = routes.find(({ dst, dev }) => pods.includes(dev) && here.v4.includes(dst));
  if (!home) return [];
  const tunnels = [underlay.value.link, ...ownDevices(facts).map(({ link }) => link.name)];
  const own = unusedAddress(home.dst, addressesOf(interfaces));
  return peers.slice(0, MOST_PEERS).flatMap(({ lease: { subnet, attrs } }): readonly ForwardedCase[] => {
    if (!hasIpv4(subnet)) return [];
    const its = routes.find(
      ({ dst, dev }) => tunnels.includes(dev) && (dst === subnet.v4 || dst === network.value.network),
    );
    if (!its) return [];
    const away = unusedAddress(subnet.v4, []);
    const gateway = its.dev === underlay.value.link ? attrs.publicIp : null;
    return [
      { source: own, destination: away, iif: home.dev, subnet: subnet.v4, right: { dev: its.dev, gateway } },
      { source: away, destination: own, iif: its.dev, subnet: home.dst, right: { dev: home.dev, gateway: null } },
    ];
  });
}

/** One that a container may have, near the end, where bridges seldom have theirs. */
function unusedAddress(subnet: Prefix4, used: readonly string[]): Ipv4 {
  const last = ipv4Number(prefix4Address(subnet)) + prefix4Size(prefixLength(subnet)) - 2;
  const found = ipv4FromNumber(last);
  return used.includes(found) ? ipv4FromNumber(last - 1) : found;
}

export function checkRoutes(facts: Facts): Finding {
  const { forwarded } = facts;
  if (!facts.families.includes("ipv4")) return ok("these are of IPv4 alone, which the network has not");
  if (forwarded.length === 0) return ok("there are no containers and peers yet between whom to forward");
  // Kernel: then every answer is that there is no way.
  if (checkForwarding(facts).verdict === "fail")
    return skip("where forwarded packets go shows when they are forwarded");
  for (const one of forwarded) {
    if (!one.way.known) return skip(`where forwarded packets go was not looked at: ${one.way.reason}`);
    const wrong = describeWrong(one, one.way.value);
    if (wrong !== null) return fail(wrong, lookAt(one));
  }
  return ok("packets from and to containers take the routes to the other hosts");
}

function describeWrong({ iif, subnet, right }: ForwardedCase, way: ForwardedWay): string | null {
  const what = `what comes in by ${iif} for ${subnet}`;
  if (way === null) return `${what} is refused by a rule or a route of this host, and should leave by ${right.dev}`;
  if (way.dev !== right.dev) {
    return `${what} leaves by ${way.dev}, and should by ${right.dev}: a rule or a route of somebody else comes first`;
  }
  if (right.gateway === null || way.gateway === right.gateway) return null;
  const by = way.gateway === null ? "without a gateway" : `by the gateway ${way.gateway}`;
  return `${what} leaves ${by}, and should by ${right.gateway}: a rule or a route of somebody else comes first`;
}

function lookAt({ source, destination, iif }: ForwardedPacket) {
  const ask = `ip route get ${destination} from ${source} iif ${shellWord(iif)}`;
  return byHand(`see which that is, and take it away: ip rule, ip route show table all, ${ask}`);
}
