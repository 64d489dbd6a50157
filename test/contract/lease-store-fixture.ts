// What the suites of a LeaseStore are given, and the records that they write.

import assert from "node:assert/strict";
import type { Millis } from "../../src/base/brand.ts";
import type { Clock } from "../../src/base/clock.ts";
import type { SubnetKey } from "../../src/subnet/lease.ts";
import type { LeaseChange, StoreEvent } from "../../src/subnet/lease-store.ts";
import type { OperatorStore } from "../../src/subnet/operator-store.ts";

export interface StoreFixture extends AsyncDisposable {
  readonly store: OperatorStore;
  readonly clock: Clock;
  /** Null deletes. */
  writeConfig(text: string | null): Promise<void>;
  /** In one transaction; null deletes. Without `ttl` the records do not expire. */
  write(records: Readonly<Record<string, string | null>>, ttl?: Millis): Promise<void>;
  /** The record's text, or null. */
  read(key: string): Promise<string | null>;
  /** Ends the etcd lease of this record before its time. */
  endLease(key: string): Promise<void>;
  /** How many etcd leases there are. */
  leaseCount(): Promise<number>;
  /** Forgets the history. */
  compact(): Promise<void>;
}

export const KEY = "10.5.52.0-24" as SubnetKey;
export const TEXT =
  '{"PublicIP":"192.168.64.3","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}}';
export const OTHER_TEXT = TEXT.replace("192.168.64.3", "192.168.64.99");

export function changesOf(event: StoreEvent): readonly LeaseChange[] {
  assert.equal(event.kind, "changes");
  return event.changes;
}

export function describeChange(change: LeaseChange): string {
  switch (change.kind) {
    case "put":
      return `put ${change.lease.key}`;
    case "bad":
      return `bad ${change.record.key}`;
    case "removed":
      return `removed ${change.key}`;
  }
}
