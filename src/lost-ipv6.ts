// Tells when another host had the IPv6 subnet of this one first (ipv6-owner.ts). Until the next start, which leases another
// one, or until the other has gone, this host carries none of its packets; IPv4 goes on. It is not exchanged before: the
// running pods keep their addresses, which are the other host's now, and a host that carries IPv6 again would send with them.

import type { Logger } from "./base/log.ts";
import { earlierIpv6Owner } from "./subnet/ipv6-owner.ts";
import { hostIp, type Lease, type SubnetKey } from "./subnet/lease.ts";

export interface Ipv6Watch {
  /** Whose the IPv6 subnet is; null while it is ours. */
  look(seen: { readonly self: Lease; readonly leases: ReadonlyMap<SubnetKey, Lease> }): Lease | null;
  /** As of the last look, as a phrase; null while it is ours. */
  trouble(): string | null;
}

const MEANS = "none of its packets are carried here, and running pods reach other hosts by IPv4 alone";
const REMEDY = "restart flanneld, which leases another beside the IPv4 one, and make this host's pods anew";

export function createIpv6Watch(log: Logger): Ipv6Watch {
  let told: string | null = null;
  return {
    look({ self, leases }) {
      const owner = earlierIpv6Owner(self, leases.values());
      const subnet = self.subnet.v6 ?? "";
      const trouble =
        owner && `${subnet} is that of the host ${hostIp(owner.attrs)}, which had it first; ${MEANS}; ${REMEDY}`;
      if (owner !== null && trouble !== told) {
        log.error("another host had the IPv6 subnet of this host first", {
          subnet,
          peer: hostIp(owner.attrs),
          reason: MEANS,
          hint: REMEDY,
        });
      }
      if (trouble === null && told !== null) log.warn("the IPv6 subnet of this host is its own again", { subnet });
      told = trouble;
      return owner;
    },
    trouble: () => told,
  };
}
