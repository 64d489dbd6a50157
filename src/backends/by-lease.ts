// Leases are immutable and keep their identity while unchanged, so what follows from one is computed once. The objects
// keep their identity with it, by which a pass leaves out the peers that have not changed.

import type { Underlay } from "../net/underlay.ts";
import type { Lease } from "../subnet/lease.ts";

export function rememberByLease<T extends object | string | null>(compute: (lease: Lease) => T): (lease: Lease) => T {
  const known = new WeakMap<Lease, T>();
  return (lease) => {
    const hit = known.get(lease);
    if (hit !== undefined) return hit;
    const value = compute(lease);
    known.set(lease, value);
    return value;
  };
}

/** The same for what also depends on the underlay, which is one object for as long as it is the same. */
export function rememberByUnderlay<T extends object | null>(
  compute: (lease: Lease, underlay: Underlay) => T,
): (lease: Lease, underlay: Underlay) => T {
  const known = new WeakMap<Underlay, (lease: Lease) => T>();
  return (lease, underlay) => {
    const remembered = known.get(underlay) ?? rememberByLease((one) => compute(one, underlay));
    known.set(underlay, remembered);
    return remembered(lease);
  };
}
