// Asks a record's host whether it still is there: our id is written into the record, and whoever holds it takes that out
// again (hold-lease.ts). Nothing else in the record changes, so no peer has anything to do.

import { type Millis, millis, seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { hostIp, type Lease, type NodeId } from "./lease.ts";
import type { LeaseStore } from "./lease-store.ts";

export interface ChallengeDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
}

export type ChallengeOutcome =
  /** Nobody has answered; the record as it is now. */
  | { readonly kind: "undefended"; readonly lease: Lease }
  | { readonly kind: "defended" }
  /** The record has changed or gone for another reason: everything is to be looked at again. */
  | { readonly kind: "changed" };

/** A host that has to turn to another etcd endpoint first, because its own has frozen, needs 13 s to answer. */
export const PATIENCE = seconds(20);
const LOOK_AGAIN = seconds(1);

/** Takes PATIENCE, or less when it is defended; twice that when another host's challenge is waited for first. */
export async function challenge(
  record: Lease,
  nodeId: NodeId,
  ttl: Millis,
  deps: ChallengeDeps,
  signal: AbortSignal,
): Promise<ChallengeOutcome> {
  const { challenger } = record.attrs;
  // Two who put their ids over each other's would both wait for ever.
  const isAnothersTurn = challenger !== null && challenger !== nodeId;
  if (isAnothersTurn && (await watchRecord(record, deps, signal)) !== "same") return { kind: "changed" };
  const written = await deps.store.renew(record, { ...record.attrs, challenger: nodeId }, ttl, signal);
  if (written.kind === "lost") return { kind: "changed" };
  const found = await watchRecord(written.lease, deps, signal);
  if (found === "same") return { kind: "undefended", lease: written.lease };
  const isAnswered = found !== null && found.attrs.challenger === null && isSameHost(found, record);
  return { kind: isAnswered ? "defended" : "changed" };
}

/** "same" after PATIENCE without a change, else the record as it is then, or null when it is gone. */
async function watchRecord(
  { key, version }: Lease,
  { store, clock }: ChallengeDeps,
  signal: AbortSignal,
): Promise<Lease | null | "same"> {
  const end = clock.monotonic() + PATIENCE;
  for (let left: number = PATIENCE; left > 0; left = end - clock.monotonic()) {
    await clock.sleep(millis(Math.min(left, LOOK_AGAIN)), signal);
    const found = await store.get(key, signal);
    if (found?.version.modRevision !== version.modRevision) return found;
  }
  return "same";
}

function isSameHost(a: Lease, b: Lease): boolean {
  return a.attrs.nodeId === b.attrs.nodeId && hostIp(a.attrs) === hostIp(b.attrs);
}
