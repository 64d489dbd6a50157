// The port to the place where leases are kept. Implemented on etcd v3 by src/etcd and in memory by the test fake;
// one contract suite runs on both. Every call has a deadline of its own and throws `etcd.unavailable` or
// `etcd.denied`; nothing here retries, the caller does. (The watches are the exception: they last until the signal aborts.)

import type { EpochMillis, Millis } from "../base/brand.ts";
import type { Histogram } from "../base/histogram.ts";
import type { Lease, LeaseAttrs, Revision, Subnet, SubnetKey } from "./lease.ts";

/** A record under the subnets prefix that is not a lease; it is left out, counted and reported, and hurts nobody. */
export interface BadRecord {
  /** The record's key relative to the subnets prefix, at most 256 characters of it. */
  readonly key: string;
  readonly reason: string;
}

/** A finished list: the whole truth at one revision. */
export interface LeaseList {
  readonly revision: Revision;
  readonly leases: readonly Lease[];
  readonly bad: readonly BadRecord[];
}

/** What tells, with one small answer however many records there are, whether a table has missed anything. */
export interface LeaseCensus {
  readonly revision: Revision;
  /** Records that there are, leases or not. */
  readonly count: number;
  /** Those that were put after the revision asked for. */
  readonly newer: readonly { readonly key: SubnetKey; readonly modRevision: Revision }[];
}

export interface Survey {
  /** As `networkConfig` gives it. */
  readonly config: string | null;
  readonly list: LeaseList;
}

export type LeaseChange =
  | { readonly kind: "put"; readonly lease: Lease }
  | { readonly kind: "bad"; readonly record: BadRecord }
  /** `key` is the record's text after the prefix, whether it was a lease or not. */
  | { readonly kind: "removed"; readonly key: SubnetKey };

export type StoreEvent =
  | { readonly kind: "changes"; readonly revision: Revision; readonly changes: readonly LeaseChange[] }
  /** The history we missed is gone (compaction), or the store is not the one we knew: here is everything, afresh. */
  | { readonly kind: "reset"; readonly list: LeaseList }
  /**
   * The connection was lost, and is still lost, with the newest reason; resp. it works again. The stream goes on by
   * itself.
   */
  | { readonly kind: "disconnected"; readonly reason: string }
  | { readonly kind: "connected" };

export type ClaimOutcome = { readonly kind: "claimed"; readonly lease: Lease } | { readonly kind: "taken" };

/** `lost`: the record is gone, or is no longer the one that we held. */
export type RenewOutcome =
  | { readonly kind: "renewed"; readonly lease: Lease }
  | { readonly kind: "lost"; readonly found: Lease | null };
export type RemoveOutcome = { readonly kind: "removed" } | { readonly kind: "changed" };

export interface LeaseStore {
  /** The network config and all leases as of one revision, by one request: what a start begins with. */
  survey(signal: AbortSignal): Promise<Survey>;
  /** The text at `<prefix>/config`, or null when there is none. */
  networkConfig(signal: AbortSignal): Promise<string | null>;
  /** The text that etcd's v2 API holds at `<prefix>/config`, or null: v2 data is invisible to v3. Never throws. */
  v2NetworkConfig(signal: AbortSignal): Promise<string | null>;
  /** The same text, or null, now and whenever it is another, until the signal aborts. Reconnects by itself. */
  watchNetworkConfig(signal: AbortSignal): AsyncIterable<string | null>;
  /** One request, however many leases. */
  list(signal: AbortSignal): Promise<LeaseList>;
  /** Counts all records and names those that were put after `since`. */
  census(since: Revision, signal: AbortSignal): Promise<LeaseCensus>;
  /** One record as it is now, with its remaining time (`term` is never `leased`); null when there is none. */
  get(key: SubnetKey, signal: AbortSignal): Promise<Lease | null>;
  /** Everything after `from`, in order, until the signal aborts. Reconnects by itself. */
  watch(from: Revision, signal: AbortSignal): AsyncIterable<StoreEvent>;
  /**
   * Creates the record if its key is free, and no other has the same IPv4 subnet, with or without an IPv6 one beside it.
   * A lost race leaves nothing behind.
   */
  claim(subnet: Subnet, attrs: LeaseAttrs, ttl: Millis, signal: AbortSignal): Promise<ClaimOutcome>;
  /** Writes the record over one that is no lease; `taken` when it is one, or is gone. A lost race leaves nothing behind. */
  replaceBad(subnet: Subnet, attrs: LeaseAttrs, ttl: Millis, signal: AbortSignal): Promise<ClaimOutcome>;
  /**
   * Makes the held record last `ttl` from now and carry `attrs`, if it still is the one we hold. With unchanged attrs
   * and a live etcd lease only that lease is extended, so that no other host wakes. A reservation stays one.
   */
  renew(lease: Lease, attrs: LeaseAttrs, ttl: Millis, signal: AbortSignal): Promise<RenewOutcome>;
  /**
   * Puts a record for `subnet` in the place of the one given, in one transaction, under the conditions of a claim;
   * `taken` also when the one given is another by now. A reservation stays one.
   */
  rekey(lease: Lease, subnet: Subnet, attrs: LeaseAttrs, ttl: Millis, signal: AbortSignal): Promise<ClaimOutcome>;
  /** Deletes the record if it still is the one given. */
  remove(lease: Lease, signal: AbortSignal): Promise<RemoveOutcome>;
}

/** A store that is open: what its owner may ask and tell it besides. */
export interface OpenLeaseStore extends LeaseStore, AsyncDisposable {
  /** Reads the files again that it was opened with (certificates), at once; otherwise they are looked at every 10 s. */
  reload(): void;
  /**
   * This host sends from another address: nothing can arrive on the connections that there are. Watches go on, calls that
   * may be repeated begin anew, and others fail as when an answer is lost.
   */
  reconnect(): void;
  /** Costs nothing. */
  health(): StoreHealth;
  /** How its calls have ended since it was opened. */
  callCounts(): StoreCalls;
}

export interface StoreCalls {
  readonly lastAnswer: EpochMillis | null;
  readonly lastFailure: { readonly at: EpochMillis; readonly reason: string } | null;
  /** In the order of their first call. */
  readonly methods: readonly CallCounts[];
}

export interface CallCounts {
  /** A method of the store's interface: "range", "txn", "watch". */
  readonly op: string;
  /** Of the calls that were answered. */
  readonly seconds: Histogram;
  /** By the code of the error. */
  readonly errors: readonly { readonly code: string; readonly count: number }[];
}

export interface StoreHealth {
  /** Why the newest call failed, as a sentence; null after one that did not. */
  readonly trouble: string | null;
  /** Of all certificates on which the connection depends, as far as they are known. */
  readonly certificates: readonly CertificateExpiry[];
  /** Why certificate files that were replaced are not in use, as a sentence; null when they are. */
  readonly refusedFiles: string | null;
}

export interface CertificateExpiry {
  readonly whose: "client" | "authority" | "server";
  /** "the client certificate /etc/flanneld/client.pem (--etcd-certfile)" */
  readonly name: string;
  /** Before it nobody accepts the certificate. */
  readonly begins: EpochMillis;
  readonly expires: EpochMillis;
}
