// The underlay of this host as its own record has it, for commands that are not told the daemon's flags. Pure.

import { isError } from "../base/errors.ts";
import { type Family, NO_IPV4 } from "../base/ip.ts";
import type { UnderlayFacts } from "../net/kernel-net.ts";
import { chooseUnderlay, type Underlay } from "../net/underlay.ts";
import type { Lease } from "../subnet/lease.ts";

/**
 * On the interface that carries the record's public IP, which the daemon has chosen, whatever its flags; behind NAT none
 * does, and it is that of the default route. Null without a record, and where there is no such interface.
 */
export function recordedUnderlay(
  facts: UnderlayFacts,
  self: Lease | null,
  families: readonly Family[],
): Underlay | null {
  if (self === null) return null;
  const { publicIp, publicIpv6 } = self.attrs;
  const named = { publicIp: publicIp === NO_IPV4 ? null : publicIp, publicIpv6 };
  try {
    return chooseUnderlay(facts, { families, interfaces: [], regexes: [], canReach: null, ...named }, null);
  } catch (error) {
    if (!isError(error, "interface.not-found")) throw error;
    return null;
  }
}
