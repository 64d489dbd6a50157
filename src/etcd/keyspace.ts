// Where things are in etcd, below the operator's prefix, and what a key and its value there are to us. Pure.
// Compat: the prefix is cleaned like a path; a missing first slash is not added, because those are other keys.

import { posix } from "node:path";
import type { IKeyValue } from "etcd3";
import type { Prefix4 } from "../base/ip.ts";
import type { Lease, Revision, SubnetKey } from "../subnet/lease.ts";
import { type DecodedRecord, decodeRecord } from "../subnet/lease-codec.ts";
import { formatSubnetKey } from "../subnet/subnet-key.ts";

export interface Keyspace {
  readonly config: Buffer;
  /** Every record's key begins with this; it ends with a slash, so that no neighbour's prefix is meant. */
  readonly subnets: Buffer;
  /** The first key after all records. */
  readonly subnetsEnd: Buffer;
  /** `key` as relativeKey gives it. */
  recordKey(key: SubnetKey | string): Buffer;
  /** From the first to after the last key of this IPv4 subnet together with an IPv6 one. */
  dualStackKeys(v4: Prefix4): { readonly key: Buffer; readonly range_end: Buffer };
  /** The part of a record's key after the prefix. */
  relativeKey(key: Buffer): string;
}

export function createKeyspace(prefix: string): Keyspace {
  const subnets = Buffer.from(`${posix.join(prefix, "subnets")}/`);
  const subnetsEnd = Buffer.from(subnets);
  subnetsEnd[subnetsEnd.length - 1] = "/".charCodeAt(0) + 1;
  return {
    config: Buffer.from(posix.join(prefix, "config")),
    subnets,
    subnetsEnd,
    recordKey: (key) => Buffer.concat([subnets, Buffer.from(key)]),
    dualStackKeys(v4) {
      const key = Buffer.concat([subnets, Buffer.from(`${formatSubnetKey({ v4, v6: null })}&`)]);
      const range_end = Buffer.from(key);
      range_end[range_end.length - 1] = "&".charCodeAt(0) + 1;
      return { key, range_end };
    },
    relativeKey: (key) => key.subarray(subnets.length).toString("utf8"),
  };
}

/** etcd: 64-bit numbers arrive as decimal texts; a key without an etcd lease has lease 0. */
export function readRecord(
  keyspace: Keyspace,
  { key, value, mod_revision, create_revision, lease }: IKeyValue,
): DecodedRecord {
  return decodeRecord({
    key: keyspace.relativeKey(key),
    value,
    modRevision: mod_revision as Revision,
    createRevision: create_revision as Revision,
    leaseId: lease,
  });
}

/** The first of the records as a lease; null when there is none, or when it is no lease. */
export function readLease(keyspace: Keyspace, [first]: readonly IKeyValue[]): Lease | null {
  const record = first && readRecord(keyspace, first);
  return record?.kind === "lease" ? record.lease : null;
}
