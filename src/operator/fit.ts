// Whether a subnet has a place in the network config, and beside the records that there are. Pure; answers are clauses
// for a sentence, null when all is well.

import { isError } from "../base/errors.ts";
import { type Prefix4, prefix4Contains, prefix4Overlaps, prefixLength } from "../base/ip.ts";
import { type Prefix6, prefix6Contains } from "../base/ipv6.ts";
import { hostIp, type Subnet } from "../subnet/lease.ts";
import type { LeaseList } from "../subnet/lease-store.ts";
import type { Ipv4Network, Ipv6Network } from "../subnet/network-config.ts";
import { parseSubnetKey } from "../subnet/subnet-key.ts";
import { ipv4Space, ipv6Space } from "../subnet/subnet-space.ts";

/** The subnet is one that the daemon could lease. */
export function misfit(network: Ipv4Network, subnet: Prefix4): string | null {
  if (!prefix4Contains(network.network, subnet)) return `it is not inside the network ${network.network}`;
  if (prefixLength(subnet) !== network.subnetLen)
    return `subnets of this network are /${network.subnetLen} (SubnetLen)`;
  if (ipv4Space(network).isLeasable(subnet)) return null;
  return `it is outside the range from ${network.subnetMin} to ${network.subnetMax} (SubnetMin, SubnetMax)`;
}

/** The same of an IPv6 subnet. */
export function misfit6(network: Ipv6Network, subnet: Prefix6): string | null {
  if (!prefix6Contains(network.network, subnet)) return `its IPv6 subnet is not inside the network ${network.network}`;
  if (prefixLength(subnet) !== network.subnetLen)
    return `IPv6 subnets of this network are /${network.subnetLen} (IPv6SubnetLen)`;
  if (ipv6Space(network).isLeasable(subnet)) return null;
  return `its IPv6 subnet is outside the range from ${network.subnetMin} to ${network.subnetMax} (IPv6SubnetMin, IPv6SubnetMax)`;
}

/** Another record that covers some of the subnet. */
export function overlap(list: LeaseList, subnet: Prefix4): string | null {
  const lease = list.leases.find(({ subnet: { v4 } }) => prefixLength(v4) > 0 && prefix4Overlaps(v4, subnet));
  if (lease) return `it overlaps ${lease.subnet.v4}, which the host ${hostIp(lease.attrs)} has`;
  const bad = list.bad.find(({ key }) => spoiltSubnets(key).some((v4) => prefix4Overlaps(v4, subnet)));
  return bad ? `it overlaps the record ${bad.key}, which is no lease: ${bad.reason}` : null;
}

/** The subnet that a bad record's key spells; none when it is the key that is bad. */
export function spoiltSubnets(key: string): readonly Prefix4[] {
  return spoiltParts(key).map(({ v4 }) => v4);
}

/** The same with the IPv6 part. */
export function spoiltParts(key: string): readonly Subnet[] {
  try {
    return [parseSubnetKey(key)];
  } catch (error) {
    if (isError(error, "address.invalid")) return [];
    throw error;
  }
}
