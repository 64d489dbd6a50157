// Key-value pairs of etcd -> leases, and the layout of keys below the prefix. Pure.

import { posix } from "node:path";
import type { Lease, LeaseTerm, Revision, SubnetKey } from "../subnet/lease.ts";
import { decodeLeaseAttrs } from "../subnet/lease-codec.ts";
import type { BadRecord } from "../subnet/lease-store.ts";
import { parseSubnetKey } from "../subnet/subnet-key.ts";

/** What etcd gives for a key; 64-bit numbers are decimal texts. */
export interface KeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly mod_revision: string;
  readonly lease: string;
}

export interface KeyLayout {
  readonly config: string;
  /** With its trailing slash: "/coreos.com/network/subnets/". */
  readonly subnets: string;
}

/** Compat: cleaned as the Go daemon does, "//" and ".." resolved, no leading slash added. */
export function keyLayout(prefix: string): KeyLayout {
  return { config: posix.join(prefix, "config"), subnets: `${posix.join(prefix, "subnets")}/` };
}

/** etcd: the end of the range of all keys that begin with `prefix`. */
export function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  for (let last = end.length - 1; last >= 0; last--) {
    const byte = end[last] ?? 0;
    if (byte === 0xff) continue;
    end[last] = byte + 1;
    return end.subarray(0, last + 1);
  }
  return Buffer.from([0]);
}

export type ReadRecord =
  | { readonly kind: "lease"; readonly lease: Lease }
  | { readonly kind: "bad"; readonly record: BadRecord };

const SHOWN_KEY_LENGTH = 256;

/** The record's key relative to the subnets prefix. */
export function relativeKey(key: Buffer, layout: KeyLayout): SubnetKey {
  return key.toString("utf8").slice(layout.subnets.length) as SubnetKey;
}

/** Never throws: what is not a lease is a bad record with a reason. */
export function readRecord(kv: KeyValue, layout: KeyLayout, term: LeaseTerm = termOf(kv)): ReadRecord {
  const key = relativeKey(kv.key, layout);
  const bad = (reason: string): ReadRecord => ({
    kind: "bad",
    record: { key: key.slice(0, SHOWN_KEY_LENGTH), reason },
  });
  const subnet = parseSubnetKey(key);
  if (subnet === null) return bad("its key is not a subnet such as 10.5.52.0-24");
  const decoded = decodeLeaseAttrs(kv.value.toString("utf8"));
  if (decoded.kind === "bad") return bad(`its value ${decoded.reason}`);
  const version = { modRevision: kv.mod_revision as Revision, leaseId: kv.lease };
  return { kind: "lease", lease: { key, subnet, attrs: decoded.attrs, term, version } };
}

/** etcd: a key without a lease has lease id 0 and does not expire. */
export function termOf({ lease }: { readonly lease: string }): LeaseTerm {
  return lease === "0" ? { kind: "reserved" } : { kind: "leased" };
}
