// Whether this host, while it runs, may announce another public IP than it did. An address that another host's record
// has is that host's, unless it has left: then it is asked, as at a start, and does not answer.

import { isRetryable } from "./base/errors.ts";
import { type Ip, NO_IPV4 } from "./base/ip.ts";
import { type ChallengeDeps, challenge } from "./subnet/challenge.ts";
import {
  type Announcement,
  describeSubnet,
  LEASE_TTL,
  type Lease,
  type Revision,
  type SubnetKey,
} from "./subnet/lease.ts";
import type { LeaseTable } from "./subnet/lease-table.ts";

export interface AddressClaimDeps extends ChallengeDeps {
  readonly table: () => Pick<LeaseTable, "leases">;
  readonly self: () => Lease;
}

type PublicIps = Pick<Announcement, "publicIp" | "publicIpv6">;

/** Why the address must not be announced, as a phrase; null when it may be. A challenge takes 20 s. */
export type AddressClaim = (address: PublicIps, signal: AbortSignal) => Promise<string | null>;

export function createAddressClaim({ table, self, ...deps }: AddressClaimDeps): AddressClaim {
  /** Records whose hosts have answered, as of which revision: they are not asked again until they change. */
  const defended = new Map<SubnetKey, Revision>();
  const contest = async (record: Lease, signal: AbortSignal): Promise<boolean> => {
    const { nodeId } = self().attrs;
    // Compat: a Go daemon knows its record by the address alone, and answers nothing.
    if (nodeId === null || record.attrs.nodeId === null || record.attrs.nodeId === nodeId) return false;
    if (defended.get(record.key) === record.version.modRevision) return false;
    const outcome = await challenge(record, nodeId, LEASE_TTL, deps, signal);
    if (outcome.kind !== "defended") return outcome.kind === "undefended";
    const answered = await deps.store.get(record.key, signal);
    if (answered) defended.set(record.key, answered.version.modRevision);
    return false;
  };
  return async (address, signal) => {
    const own = self();
    for (const { rival, shared } of rivalsOf(newAddresses(address, own.attrs), own, table())) {
      try {
        if (!(await contest(rival, signal))) return describe(rival, shared);
      } catch (error) {
        if (!isRetryable(error)) throw error;
        return `${describe(rival, shared)}, and whether that has left is not known: ${error.message}`;
      }
    }
    return null;
  };
}

/** Each family by itself: peers send to both addresses. */
function newAddresses(next: PublicIps, own: PublicIps): readonly Ip[] {
  const { publicIp, publicIpv6 } = next;
  return [
    ...(publicIp === NO_IPV4 || publicIp === own.publicIp ? [] : [publicIp]),
    ...(publicIpv6 === null || publicIpv6 === own.publicIpv6 ? [] : [publicIpv6]),
  ];
}

interface Rivalry {
  readonly rival: Lease;
  readonly shared: Ip;
}

function rivalsOf(wanted: readonly Ip[], own: Lease, { leases }: Pick<LeaseTable, "leases">): readonly Rivalry[] {
  const others = wanted.length === 0 ? [] : [...leases.values()].filter(({ key }) => key !== own.key);
  return others.flatMap((rival) => {
    const shared = wanted.find((address) => has(rival.attrs, address));
    return shared === undefined ? [] : { rival, shared };
  });
}

function has({ publicIp, publicIpv6 }: PublicIps, address: Ip): boolean {
  return publicIp === address || publicIpv6 === address;
}

function describe({ attrs, subnet }: Lease, shared: Ip): string {
  const { nodeId } = attrs;
  const whose = nodeId === null ? "another host" : `another host (node id ${nodeId})`;
  return `${shared} is the public IP of ${whose} with the lease of ${describeSubnet(subnet)}`;
}
