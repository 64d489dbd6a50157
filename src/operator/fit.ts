// Whether a subnet has a place in the network config, and beside the records that there are. Pure; answers are clauses
// for a sentence, null when all is well.

import { isError } from "../base/errors.ts";
import { type Prefix4, prefix4Contains, prefix4Overlaps, prefixLength } from "../base/ip.ts";
import type { LeaseList } from "../subnet/lease-store.ts";
import { type Ipv4Network, isLeasable } from "../subnet/network-config.ts";
import { parseSubnetKey } from "../subnet/subnet-key.ts";

/** The subnet is one that the daemon could lease. */
export function misfit(network: Ipv4Network, subnet: Prefix4): string | null {
  if (!prefix4Contains(network.network, subnet)) return `it is not inside the network ${network.network}`;
  if (prefixLength(subnet) !== network.subnetLen)
    return `subnets of this network are /${network.subnetLen} (SubnetLen)`;
  if (isLeasable(network, subnet)) return null;
  return `it is outside the range from ${network.subnetMin} to ${network.subnetMax} (SubnetMin, SubnetMax)`;
}

/** Another record that covers some of the subnet. */
export function overlap(list: LeaseList, subnet: Prefix4): string | null {
  const lease = list.leases.find(({ subnet: { v4 } }) => prefixLength(v4) > 0 && prefix4Overlaps(v4, subnet));
  if (lease) return `it overlaps ${lease.subnet.v4}, which the host ${lease.attrs.publicIp} has`;
  const bad = list.bad.find(({ key }) => spoiltSubnets(key).some((v4) => prefix4Overlaps(v4, subnet)));
  return bad ? `it overlaps the record ${bad.key}, which is no lease: ${bad.reason}` : null;
}

/** The subnet that a bad record's key spells; none when it is the key that is bad. */
export function spoiltSubnets(key: string): readonly Prefix4[] {
  try {
    return [parseSubnetKey(key).v4];
  } catch (error) {
    if (isError(error, "address.invalid")) return [];
    throw error;
  }
}
