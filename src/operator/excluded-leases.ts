// What is said of leases that have no place in another network config.

import type { Json } from "../base/json.ts";
import type { Lease } from "../subnet/lease.ts";
import type { Ipv4Network } from "../subnet/network-config.ts";
import { misfit } from "./fit.ts";
import { printTable } from "./print.ts";
import type { Screen } from "./verb.ts";

/** As a clause that ends in a list: "with this config 2 leases would no longer fit". */
export function describeExcluded({ length }: readonly Lease[]): string {
  return `with this config ${length} ${length === 1 ? "lease" : "leases"} would no longer fit`;
}

export const CONSEQUENCE =
  "when flanneld next starts on these hosts, it leases another subnet there, and the containers must be started anew";

export function printExcluded(screen: Screen, excluded: readonly Lease[], network: Ipv4Network): void {
  const rows = excluded.map((lease) => [lease.subnet.v4, lease.attrs.publicIp, reasonOf(lease, network)]);
  printTable(screen, ["SUBNET", "PUBLIC IP", "WHY IT DOES NOT FIT"], rows);
}

export function excludedJson(excluded: readonly Lease[], network: Ipv4Network): readonly Json[] {
  return excluded.map((lease) => ({
    subnet: lease.subnet.v4,
    publicIp: lease.attrs.publicIp,
    reason: reasonOf(lease, network),
  }));
}

function reasonOf({ subnet }: Lease, network: Ipv4Network): string {
  return misfit(network, subnet.v4) ?? "it has an IPv6 subnet, and the network has none";
}
