// What is said of leases that have no place in another network config.

import type { Json } from "../base/json.ts";
import { describeSubnet, hasIpv4, hostIp, type Lease } from "../subnet/lease.ts";
import type { NetworkConfig } from "../subnet/network-config.ts";
import { misfit, misfit6 } from "./fit.ts";
import { printTable } from "./print.ts";
import type { Screen } from "./verb.ts";

/** As a clause that ends in a list: "with this config 2 leases would no longer fit". */
export function describeExcluded({ length }: readonly Lease[]): string {
  return `with this config ${length} ${length === 1 ? "lease" : "leases"} would no longer fit`;
}

export const CONSEQUENCE =
  "when flanneld next starts on these hosts, it leases another subnet there, and the containers must be started anew";

export function printExcluded(screen: Screen, excluded: readonly Lease[], network: NetworkConfig): void {
  const rows = excluded.map((lease) => [describeSubnet(lease.subnet), hostIp(lease.attrs), reasonOf(lease, network)]);
  printTable(screen, ["SUBNET", "PUBLIC IP", "WHY IT DOES NOT FIT"], rows);
}

export function excludedJson(excluded: readonly Lease[], network: NetworkConfig): readonly Json[] {
  return excluded.map((lease) => ({
    subnet: lease.subnet.v4,
    subnet6: lease.subnet.v6,
    publicIp: hostIp(lease.attrs),
    reason: reasonOf(lease, network),
  }));
}

/** A family that the lease lacks is no reason: its host gets that. */
function reasonOf({ subnet }: Lease, { ipv4, ipv6 }: NetworkConfig): string {
  const is4 = hasIpv4(subnet);
  const fault4 = ipv4 && (is4 || subnet.v6 === null) ? misfit(ipv4, subnet.v4) : null;
  const fault6 = ipv6 && subnet.v6 ? misfit6(ipv6, subnet.v6) : null;
  const surplus = ipv4 === null ? "it has an IPv4 subnet" : "it has an IPv6 subnet";
  return fault4 ?? fault6 ?? `${surplus}, and the network has none`;
}
