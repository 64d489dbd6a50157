// What another network config changes: which values, which hosts have to restart flanneld for it, and which leases have
// no place in it. Pure. What running daemons follow is their own judgement (src/overlay.ts).

import { type Ipv4, ipv4Number } from "../base/ip.ts";
import type { Json } from "../base/json.ts";
import { judgeChange, readOverlay } from "../overlay.ts";
import type { Lease, Subnet } from "../subnet/lease.ts";
import { isLeasable, subnetAt } from "../subnet/network-config.ts";
import type { ValidConfig } from "./check-config.ts";
import { effectiveValues } from "./config-view.ts";
import { startOf } from "./lease-report.ts";

export interface MemberChange {
  /** "SubnetLen", "Backend.VNI" */
  readonly member: string;
  /** Undefined where there was no such member, or no valid config; null: the interface decides. */
  readonly from: Json | undefined;
  readonly to: Json | undefined;
}

/**
 * In the order of the config. Spelling, order and members that nobody reads are no change, nor are the members of a
 * backend that is no longer used.
 */
export function diffConfigs(before: ValidConfig | null, after: ValidConfig): readonly MemberChange[] {
  const from: ReadonlyMap<string, Json> = before ? effectiveValues(before) : new Map();
  const to = effectiveValues(after);
  return [...to.keys()]
    .filter((member) => from.get(member) !== to.get(member))
    .map((member) => ({ member, from: from.get(member), to: to.get(member) }));
}

/** Who goes on by the old config until flanneld is restarted there, if all go by `before` now. */
export interface Restarts {
  /** Why, as running daemons name it. */
  readonly members: readonly string[];
  readonly hosts: readonly Ipv4[];
}

/** Both texts are valid configs. Without leases, what a host with the first subnet would have to restart for. */
export function restartsFor(before: string, after: string, leases: readonly Lease[]): Restarts {
  const inForce = readOverlay(before, "");
  const membersFor = (subnet: Subnet) => {
    const change = judgeChange(inForce, after, "", subnet);
    return change.kind === "restart" ? change.changed : [];
  };
  const first: Subnet = { v4: subnetAt(inForce.ipv4, 0), v6: null };
  const subnets = leases.length === 0 ? [first] : leases.map(({ subnet }) => subnet);
  return {
    members: [...new Set(subnets.flatMap(membersFor))],
    hosts: hostsOf(leases.filter(({ subnet }) => membersFor(subnet).length > 0)),
  };
}

/** Each once, by address. */
export function hostsOf(leases: readonly Lease[]): readonly Ipv4[] {
  return [...new Set(leases.map(({ attrs }) => attrs.publicIp))].toSorted((a, b) => ipv4Number(a) - ipv4Number(b));
}

/** Leases that fitted before and do not any more, by address; without a config before, all that do not fit. */
export function excludedLeases(
  before: ValidConfig | null,
  after: ValidConfig,
  leases: readonly Lease[],
): readonly Lease[] {
  const fits = ({ ipv4 }: ValidConfig, { subnet }: Lease) => subnet.v6 === null && isLeasable(ipv4, subnet.v4);
  return leases
    .filter((lease) => !fits(after, lease) && (before === null || fits(before, lease)))
    .toSorted((a, b) => startOf(a) - startOf(b));
}
