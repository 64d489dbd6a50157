// What is left of a lease when one family of it is not to be used. Remembered, so that the same lease gives the same
// object, by which a pass leaves out the peers that have not changed.

import { type Lease, NO_SUBNET4 } from "./lease.ts";

const ipv4Parts = new WeakMap<Lease, Lease>();
const ipv6Parts = new WeakMap<Lease, Lease>();

/** The lease itself if it has no IPv6. */
export function withoutIpv6(lease: Lease): Lease {
  if (lease.subnet.v6 === null) return lease;
  return remembered(ipv4Parts, lease, { ...lease.subnet, v6: null });
}

/** The lease itself if it has no IPv4. */
export function withoutIpv4(lease: Lease): Lease {
  if (lease.subnet.v4 === NO_SUBNET4) return lease;
  return remembered(ipv6Parts, lease, { ...lease.subnet, v4: NO_SUBNET4 });
}

function remembered(parts: WeakMap<Lease, Lease>, lease: Lease, subnet: Lease["subnet"]): Lease {
  const known = parts.get(lease);
  if (known) return known;
  const part = { ...lease, subnet };
  parts.set(lease, part);
  return part;
}
