// Whether a record that has just been put shares its IPv6 subnet. etcd cannot be asked that in the same transaction, as it
// can for IPv4, so it is asked afterwards.

import { earlierIpv6Owner } from "./ipv6-owner.ts";
import type { Lease } from "./lease.ts";
import type { LeaseList, LeaseStore } from "./lease-store.ts";

/**
 * True when that is to be decided on a fresh list: another had it before, or has put a record since the list was made.
 * Of two that put theirs at once at least the later one sees the other's.
 */
export async function mayShareIpv6(
  lease: Lease,
  { leases, revision }: LeaseList,
  store: Pick<LeaseStore, "census">,
  signal: AbortSignal,
): Promise<boolean> {
  const { key, subnet } = lease;
  if (subnet.v6 === null) return false;
  if (earlierIpv6Owner(lease, leases) !== null) return true;
  const ending = `&${subnet.v6.replace("/", "-")}`;
  const { newer } = await store.census(revision, signal);
  return newer.some((other) => other.key !== key && other.key.endsWith(ending));
}
