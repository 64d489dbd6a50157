// How far a watch has come, and of which store: what is needed to resume behind it, and to notice that it would resume
// in another history. Pure.
// etcd: a store that was restored from a snapshot counts on from the snapshot's revision, and may have passed ours by
// the time we are back. Its cluster id is the old one when it was restored under the old names. So its revision alone
// does not tell; that it has forgotten the newest change that we know of does.

import type { IRangeRequest, IRangeResponse, IResponseHeader } from "etcd3";
import type { Revision } from "../subnet/lease.ts";
import type { LeaseList } from "../subnet/lease-store.ts";
import type { Keyspace } from "./keyspace.ts";

/** A list, and what it is of. */
export interface ListedStore {
  readonly list: LeaseList;
  readonly cluster: string;
  readonly term: bigint;
}

export interface WatchPosition {
  /** Behind everything that was delivered. */
  readonly next: bigint;
  /** Null when not known. */
  readonly cluster: string | null;
  /** Of the raft leader; it never goes back. */
  readonly term: bigint;
  readonly witness: Witness | null;
  /** The connection was lost since: what has gone meanwhile need not have been removed. */
  readonly isDoubted: boolean;
}

/** The newest change that we know of. */
export interface Witness {
  readonly key: Buffer;
  readonly kind: "put" | "removed";
  readonly revision: string;
}

/** Behind the revision `from`, which may be that of the newest list. */
export function positionAt(from: Revision, listed: ListedStore | null, keyspace: Keyspace): WatchPosition {
  if (listed?.list.revision === from) return positionOf(listed, keyspace);
  const { cluster = null, term = 0n } = listed ?? {};
  return { next: BigInt(from) + 1n, cluster, term, witness: null, isDoubted: false };
}

export function positionOf({ list, cluster, term }: ListedStore, keyspace: Keyspace): WatchPosition {
  let witness: Witness | null = null;
  for (const { key, version } of list.leases) {
    if (witness !== null && BigInt(version.modRevision) <= BigInt(witness.revision)) continue;
    witness = { key: keyspace.recordKey(key), kind: "put", revision: version.modRevision };
  }
  return { next: BigInt(list.revision) + 1n, cluster, term, witness, isDoubted: false };
}

/** The smallest request whose answer tells whether the store is still ours. */
export function questionAbout({ witness }: WatchPosition, keyspace: Keyspace): IRangeRequest {
  return witness ? { key: witness.key, keys_only: true } : { key: keyspace.subnets, count_only: true };
}

/**
 * False when the store was replaced by another, or by an older state of itself. In doubt it is: a witness that is gone
 * may have been removed while we were away.
 */
export function isSameStore(
  { next, cluster, term, witness, isDoubted }: WatchPosition,
  { header, kvs }: Pick<IRangeResponse, "header" | "kvs">,
): boolean {
  if (cluster !== null && cluster !== header.cluster_id) return false;
  if (BigInt(header.revision) < next - 1n || BigInt(header.raft_term) < term) return false;
  if (!witness || !isDoubted) return true;
  const [found] = kvs;
  if (!found) return witness.kind === "removed";
  // What happened after our position is still to be delivered.
  if (BigInt(found.mod_revision) >= next) return true;
  return witness.kind === "put" && found.mod_revision === witness.revision;
}

/** etcd: in what its grpc-proxy answers for itself, which tells nothing of the store. */
const NO_CLUSTER = "0";

/**
 * Whether the answer to a stream's request comes from another store than the position is of: it may have been replaced
 * since the look at it, or since the list.
 */
export function isOfAnotherStore(header: IResponseHeader, position: WatchPosition): boolean {
  return header.cluster_id !== NO_CLUSTER && !isSameStore({ ...position, witness: null }, { header, kvs: [] });
}

/** The position is of this store from now on. */
export function seenAt(position: WatchPosition, { cluster_id, raft_term }: IResponseHeader): WatchPosition {
  if (cluster_id === NO_CLUSTER) return { ...position, isDoubted: false };
  const term = BigInt(raft_term);
  return { ...position, cluster: cluster_id, term: term > position.term ? term : position.term, isDoubted: false };
}
