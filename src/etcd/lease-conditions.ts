// Under which conditions a record is written. Pure.

import type { ICompare } from "etcd3";
import { hasIpv4, type Lease, type Subnet } from "../subnet/lease.ts";
import { formatSubnetKey } from "../subnet/subnet-key.ts";
import type { Keyspace } from "./keyspace.ts";

interface Place {
  readonly keyspace: Keyspace;
}

/**
 * Nobody has the key, and nobody the IPv4 subnet under another one; apart from `former`, which is given up for it. Of an
 * IPv6 subnet that cannot be asked: it is at the end of the keys (decision 23).
 */
export function isFree(subnet: Subnet, former: Lease | null, { keyspace }: Place): readonly ICompare[] {
  const none = { target: "Version", result: "Equal", version: "0" } as const;
  const absent = (parts: Subnet): ICompare[] => {
    const key = formatSubnetKey(parts);
    return key === former?.key ? [] : [{ key: keyspace.recordKey(key), ...none }];
  };
  const isOther = former === null || former.subnet.v4 !== subnet.v4;
  if (!hasIpv4(subnet) || !isOther) return absent(subnet);
  const plain = subnet.v6 === null ? [] : absent({ v4: subnet.v4, v6: null });
  return [...absent(subnet), ...plain, { ...keyspace.dualStackKeys(subnet.v4), ...none }];
}

/** The record is the one that we have seen. */
export function isStill({ key, version }: Lease, { keyspace }: Place): readonly ICompare[] {
  const recordKey = keyspace.recordKey(key);
  return [
    { key: recordKey, target: "Mod", result: "Equal", mod_revision: version.modRevision },
    { key: recordKey, target: "Lease", result: "Equal", lease: version.leaseId },
  ];
}
