// The blackhole route of --ip-blackhole-route: a packet for a container that is not there is dropped, and not sent back
// out by the default route. One more object of whatever plan the backend has made.
// Compat: the Go daemon's route has metric 0, which it cannot add beside the bridge's. Ours is the last to be chosen.

import type { Prefix } from "./base/ip.ts";
import { type Blackhole, BOOT_PROTOCOL, FLANNEL_PROTOCOL, type NetObject } from "./net/objects.ts";
import type { Plan } from "./net/plan.ts";
import type { Subnet } from "./subnet/lease.ts";
import type { NetworkConfig } from "./subnet/network-config.ts";
import { isInNetwork } from "./subnet/network-families.ts";

type Networks = Pick<NetworkConfig, "ipv4" | "ipv6">;

/** Above every metric that routes of network managers and routing daemons have. */
const METRIC = 65_535;

/** The same plan gives the same plan: a pass that finds it unchanged does nothing. */
export function createOwnBlackhole(
  own: () => { readonly network: Networks; readonly subnet: Subnet },
  wanted: boolean,
): (plan: Plan) => Plan {
  const known = new WeakMap<Plan, Plan>();
  return (plan) => {
    const hit = known.get(plan);
    if (hit) return hit;
    const { network, subnet } = own();
    const extended = withOwnBlackhole(plan, network, subnet, wanted);
    known.set(plan, extended);
    return extended;
  };
}

/**
 * Blackholes of our protocol number inside the network are of an earlier subnet or an earlier flag. While the route is
 * wanted a Go daemon's for our subnet is ours, too; otherwise it may be an administrator's.
 */
function withOwnBlackhole(plan: Plan, network: Networks, subnet: Subnet, wanted: boolean): Plan {
  const subnets: readonly Prefix[] = [
    ...(network.ipv4 ? [subnet.v4] : []),
    ...(network.ipv6 && subnet.v6 ? [subnet.v6] : []),
  ];
  const own = subnets.map((dst): Blackhole => ({ kind: "blackhole", dst, metric: METRIC, protocol: FLANNEL_PROTOCOL }));
  const isOurs = ({ dst, protocol }: Blackhole) =>
    (protocol === FLANNEL_PROTOCOL && isInNetwork(network, dst)) ||
    (wanted && protocol === BOOT_PROTOCOL && subnets.includes(dst));
  return {
    ...plan,
    scope: { ...plan.scope, kinds: [...plan.scope.kinds, "blackhole"] },
    want: wanted ? [...plan.want, ...own] : plan.want,
    claims: (object: NetObject) => (object.kind === "blackhole" ? isOurs(object) : plan.claims(object)),
  };
}
