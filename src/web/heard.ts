// Who speaks for a lease. Pure.

import type { PublicStatus } from "../status/report.ts";
import { hasIpv4, type Subnet } from "../subnet/lease.ts";
import type { HostAnswer } from "./facts.ts";

/** What tells hosts apart: the IPv4 subnet, or the IPv6 one of a host without IPv4. */
export function nameOf(subnet: Subnet): string {
  return hasIpv4(subnet) ? subnet.v4 : (subnet.v6 ?? subnet.v4);
}

/** What the host of a lease says now: null when it does not answer, or has another subnet by now. */
export function heardStatus(subnet: string, answer: HostAnswer | undefined): PublicStatus | null {
  if (!answer || answer.status === null || answer.trouble !== null) return null;
  return silenceOf(subnet, answer) === null ? answer.status : null;
}

/** Why nothing is known of the host of a lease, as a clause; null when it answers. */
export function silenceOf(subnet: string, answer: HostAnswer | undefined): string | null {
  if (!answer || (answer.status === null && answer.trouble === null)) return "it was not asked yet";
  if (answer.trouble !== null) return answer.trouble;
  const lease = answer.status?.lease;
  const held = lease?.subnet ?? lease?.subnet6 ?? subnet;
  return held === subnet ? null : `the flanneld that answers there has another subnet, ${held}`;
}
