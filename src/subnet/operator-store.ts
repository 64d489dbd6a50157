// What an operator does to the store beyond what a daemon does: the network config, and records that do not expire.
// Implemented where LeaseStore is, and held to the same contract suite. The daemon is never given it.

import type { Millis } from "../base/brand.ts";
import type { FlannelError } from "../base/errors.ts";
import type { Lease, LeaseAttrs, LeaseTerm, Revision, Subnet } from "./lease.ts";
import type { LeaseStore, RemoveOutcome, RenewOutcome } from "./lease-store.ts";

/** The network config as it stands in the store. */
export interface ConfigRecord {
  readonly text: string;
  readonly modRevision: Revision;
}

/**
 * What a decision was made on. It holds as long as the config is this one and no record was created after the revision;
 * that records are renewed or end makes no decision wrong.
 */
export interface StoreView {
  readonly config: ConfigRecord | null;
  readonly revision: Revision;
}

/** `changed`: the view no longer holds, and nothing was written. */
export type PutConfigOutcome = { readonly kind: "put"; readonly config: ConfigRecord } | { readonly kind: "changed" };

/** `changed`: the view no longer holds or the key is taken, and nothing was written. */
export type ReserveOutcome = { readonly kind: "reserved"; readonly lease: Lease } | { readonly kind: "changed" };

/** It is full, or we have not the right. */
export type WriteRefusal = FlannelError<"etcd.full" | "etcd.denied">;

export interface OperatorStore extends LeaseStore {
  /** The record at `<prefix>/config`, or null when there is none. */
  config(signal: AbortSignal): Promise<ConfigRecord | null>;
  /** Writes the network config while the view holds. */
  putConfig(text: string, view: StoreView, signal: AbortSignal): Promise<PutConfigOutcome>;
  /** Creates a record that does not expire, if its key is free and while the view holds. */
  reserve(subnet: Subnet, attrs: LeaseAttrs, view: StoreView, signal: AbortSignal): Promise<ReserveOutcome>;
  /**
   * Makes the record last `ttl` from now, or for ever (null: a reservation), if it still is the one given. Its value
   * stays byte for byte. The etcd lease that it leaves is not revoked, since other keys may hang on it: it ends by itself.
   */
  setTerm(lease: Lease, ttl: Millis | null, signal: AbortSignal): Promise<RenewOutcome>;
  /**
   * Deletes a record that is no lease; `key` is its whole text below the subnets prefix. `changed` when it is one, or is
   * gone.
   */
  removeBad(key: string, signal: AbortSignal): Promise<RemoveOutcome>;
  /** Why no lease could be written now, although the store answers; null when one could. Nothing is written. */
  refusal(signal: AbortSignal): Promise<WriteRefusal | null>;
  /** How long the record lasts, by one small request; never `leased`. */
  timeLeft(lease: Lease, signal: AbortSignal): Promise<LeaseTerm>;
}
