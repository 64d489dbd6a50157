// Whether another host had our IPv6 subnet first. etcd cannot be asked that when a record is put (decision 23), so that two
// hosts of a dual-stack network may get one IPv6 subnet beside different IPv4 ones. Whose record is older keeps it: both
// sides decide alike, and the other has it no more. Pure.

import type { Prefix6 } from "../base/ipv6.ts";
import { ownershipOf } from "./identity.ts";
import type { Lease } from "./lease.ts";

/** The oldest other record with our IPv6 subnet, if that is older than ours. */
export function earlierIpv6Owner(own: Lease, leases: Iterable<Lease>): Lease | null {
  const { v6 } = own.subnet;
  if (v6 === null) return null;
  let owner: Lease | null = null;
  for (const lease of leases) {
    if (!isOthersWith(v6, lease, own) || byCreation(lease, owner ?? own) >= 0) continue;
    owner = lease;
  }
  return owner;
}

/** Another record of this host is a stale one. */
function isOthersWith(v6: Prefix6, { key, subnet, attrs }: Lease, own: Lease): boolean {
  return subnet.v6 === v6 && key !== own.key && ownershipOf(attrs, own.attrs) !== "ours";
}

/** Of two that were created in one transaction the lower key is first. */
export function byCreation(a: Lease, b: Lease): number {
  const [first, second] = [BigInt(a.version.createRevision), BigInt(b.version.createRevision)];
  if (first !== second) return first < second ? -1 : 1;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
