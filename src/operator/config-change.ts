// What another network config changes: which values, which hosts have to restart flanneld for it, and which leases have
// no place in it. Pure. What running daemons follow is their own judgement (src/overlay.ts).

import { familyOf, type Ip, type Ipv4, ipv4Number } from "../base/ip.ts";
import type { Json } from "../base/json.ts";
import { judgeChange, readOverlay } from "../overlay.ts";
import { hasIpv4, hostIp, type Lease, NO_SUBNET4, type Subnet } from "../subnet/lease.ts";
import { spacesOf } from "../subnet/subnet-space.ts";
import type { ValidConfig } from "./check-config.ts";
import { effectiveValues } from "./config-view.ts";
import { byStart } from "./lease-report.ts";

export interface MemberChange {
  /** "SubnetLen", "Backend.VNI" */
  readonly member: string;
  /** Undefined where there was no such member, or no valid config; null: the interface decides. */
  readonly from: Json | undefined;
  readonly to: Json | undefined;
}

/**
 * In the order of the config. Spelling, order and members that nobody reads are no change, nor are the members of a
 * backend that is no longer used; those of a family that is switched off are.
 */
export function diffConfigs(before: ValidConfig | null, after: ValidConfig): readonly MemberChange[] {
  const from: ReadonlyMap<string, Json> = before ? effectiveValues(before) : new Map();
  const to = effectiveValues(after);
  const gone = [...from.keys()].filter((member) => !to.has(member) && !member.startsWith("Backend."));
  return [...to.keys(), ...gone]
    .filter((member) => from.get(member) !== to.get(member))
    .map((member) => ({ member, from: from.get(member), to: to.get(member) }));
}

/** What somebody might expect of such a change that does not come. Sentences for people. */
export function notesOn(changes: readonly MemberChange[]): readonly string[] {
  return changes.flatMap(({ member, from, to }) => {
    if (member === "Backend.Offload" && from === "off" && to === "auto") return [SWITCHED_ON];
    if (member === "Backend.MTU" && typeof to === "number") return [LIMITED_MTU];
    return [];
  });
}

/** See docs/decisions/0025-checksums-are-measured.md. */
const SWITCHED_ON =
  'running daemons switch the checksum offload on again and measure: where checksums arrive wrong, connections of pods stand still for some seconds until it is off; a daemon that is stopped now finds it off and leaves it so until a reboot, or until "Offload" has been "on"';
const LIMITED_MTU =
  "the interface of each host limits the MTU: where that is smaller it is the interface's, and the encapsulation goes off it";

/** Who goes on by the old config until flanneld is restarted there, if all go by `before` now. */
export interface Restarts {
  /** Why, as running daemons name it. */
  readonly members: readonly string[];
  readonly hosts: readonly Ip[];
}

/** Both texts are valid configs. Without leases, what a host with the first subnet would have to restart for. */
export function restartsFor(before: string, after: string, leases: readonly Lease[]): Restarts {
  const inForce = readOverlay(before, "");
  const membersFor = (subnet: Subnet) => {
    const change = judgeChange(inForce, after, "", subnet);
    return change.kind === "restart" ? change.changed : [];
  };
  const { v4, v6 } = spacesOf(inForce.network);
  const first: Subnet = { v4: v4?.at(0) ?? NO_SUBNET4, v6: v6?.at(0) ?? null };
  const subnets = leases.length === 0 ? [first] : leases.map(({ subnet }) => subnet);
  return {
    members: [...new Set(subnets.flatMap(membersFor))],
    hosts: hostsOf(leases.filter(({ subnet }) => membersFor(subnet).length > 0)),
  };
}

/** Each once, by address. */
export function hostsOf(leases: readonly Lease[]): readonly Ip[] {
  return [...new Set(leases.map(({ attrs }) => hostIp(attrs)))].toSorted(byAddress);
}

/** IPv4 first. */
function byAddress(a: Ip, b: Ip): number {
  const [isIpv4, other] = [familyOf(a) === "ipv4", familyOf(b) === "ipv4"];
  if (isIpv4 && other) return ipv4Number(a as Ipv4) - ipv4Number(b as Ipv4);
  return isIpv4 === other ? a.localeCompare(b) : Number(other) - Number(isIpv4);
}

/**
 * Leases that fitted before and do not any more, by address; without a config before, all that do not fit. A lease that
 * only lacks a family fits: its host gets that, and keeps what it has.
 */
export function excludedLeases(
  before: ValidConfig | null,
  after: ValidConfig,
  leases: readonly Lease[],
): readonly Lease[] {
  const fits = ({ network }: ValidConfig, { subnet }: Lease) => {
    const { v4, v6 } = spacesOf(network);
    if (!hasIpv4(subnet) && subnet.v6 === null) return false;
    const keeps4 = !hasIpv4(subnet) || (v4?.isLeasable(subnet.v4) ?? false);
    return keeps4 && (subnet.v6 === null || (v6?.isLeasable(subnet.v6) ?? false));
  };
  return leases.filter((lease) => !fits(after, lease) && (before === null || fits(before, lease))).toSorted(byStart);
}
