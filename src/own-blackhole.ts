// The blackhole route of --ip-blackhole-route: a packet for a container that is not there is dropped, and not sent back
// out by the default route. One more object of whatever plan the backend has made.
// Compat: the Go daemon's route has metric 0, which it cannot add beside the bridge's. Ours is the last to be chosen.

import { type Prefix, type Prefix4, prefix4Contains } from "./base/ip.ts";
import { type Blackhole, BOOT_PROTOCOL, FLANNEL_PROTOCOL, type NetObject } from "./net/objects.ts";
import type { Plan } from "./net/plan.ts";
import type { Subnet } from "./subnet/lease.ts";
import type { Ipv4Network } from "./subnet/network-config.ts";

/** Above every metric that routes of network managers and routing daemons have. */
const METRIC = 65_535;

/** The same plan gives the same plan: a pass that finds it unchanged does nothing. */
export function createOwnBlackhole(
  own: () => { readonly network: Ipv4Network; readonly subnet: Subnet },
  wanted: boolean,
): (plan: Plan) => Plan {
  const known = new WeakMap<Plan, Plan>();
  return (plan) => {
    const hit = known.get(plan);
    if (hit) return hit;
    const { network, subnet } = own();
    const extended = withOwnBlackhole(plan, network, subnet.v4, wanted);
    known.set(plan, extended);
    return extended;
  };
}

/**
 * Blackholes of our protocol number inside the network are of an earlier subnet or an earlier flag. While the route is
 * wanted a Go daemon's for our subnet is ours, too; otherwise it may be an administrator's.
 */
export function withOwnBlackhole(plan: Plan, { network }: Ipv4Network, subnet: Prefix4, wanted: boolean): Plan {
  const own: Blackhole = { kind: "blackhole", dst: subnet, metric: METRIC, protocol: FLANNEL_PROTOCOL };
  const isOurs = ({ dst, protocol }: Blackhole) =>
    (protocol === FLANNEL_PROTOCOL && isInside(network, dst)) ||
    (wanted && protocol === BOOT_PROTOCOL && dst === subnet);
  return {
    ...plan,
    scope: { ...plan.scope, kinds: [...plan.scope.kinds, "blackhole"] },
    want: wanted ? [...plan.want, own] : plan.want,
    claims: (object: NetObject) => (object.kind === "blackhole" ? isOurs(object) : plan.claims(object)),
  };
}

function isInside(network: Prefix4, dst: Prefix): boolean {
  return !dst.includes(":") && prefix4Contains(network, dst as Prefix4);
}
