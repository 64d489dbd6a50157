// One look after our record: extends it, or reads it and brings it back to what we hold, or finds that it is another's.
// hold-lease.ts says when.

import type { Millis } from "../base/brand.ts";
import { FlannelError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { leaseFields } from "./holding.ts";
import { ownershipOf } from "./identity.ts";
import { hasIpv4, type Lease, type LeaseAttrs } from "./lease.ts";
import type { Keeping } from "./lease-account.ts";
import type { LeaseStore } from "./lease-store.ts";

export interface KeepLeaseDeps {
  readonly store: LeaseStore;
  readonly log: Logger;
}

export type Kept =
  | { readonly kind: "kept"; readonly lease: Lease; readonly how: Keeping }
  | { readonly kind: "another's"; readonly found: Lease };

function kept(lease: Lease, how: Keeping): Kept {
  return { kind: "kept", lease, how };
}

/** Our record as we hold it, and what it must say. */
export interface Own {
  readonly held: Lease;
  readonly attrs: LeaseAttrs;
  /** What was written without a certain outcome since the record became what `held` says; `attrs` among it. */
  readonly tried: readonly LeaseAttrs[];
}

type Tended = Omit<Own, "tried">;

export async function keepLease(
  why: "changed" | "due",
  own: Own,
  ttl: Millis,
  deps: KeepLeaseDeps,
  doubt: (reason: string) => void,
  signal: AbortSignal,
): Promise<Kept> {
  const { store, log } = deps;
  const { held, attrs, tried } = own;
  if (why === "due") {
    const outcome = await store.renew(held, attrs, ttl, signal);
    if (outcome.kind === "renewed") {
      log.info("renewed the lease", leaseFields(outcome.lease));
      return kept(outcome.lease, "renewed");
    }
  }
  const found = await store.get(held.key, signal);
  if (found === null) return await reclaim(own, ttl, deps, doubt, signal);
  // Whatever we wrote may be there although its answer was lost.
  const isOurs = [held.attrs, ...tried].some((said) => ownershipOf(found.attrs, said) === "ours");
  if (!isOurs) return { kind: "another's", found };
  if (found.version.modRevision === held.version.modRevision) return kept(found, "seen");
  return kept(await adopt(found, attrs, ttl, deps, signal), "renewed");
}

/** Somebody rewrote our record but left it ours (a renewal by the Go daemon's habits, an operator's reservation). */
async function adopt(
  found: Lease,
  attrs: LeaseAttrs,
  ttl: Millis,
  deps: KeepLeaseDeps,
  signal: AbortSignal,
): Promise<Lease> {
  const outcome = await deps.store.renew(found, attrs, ttl, signal);
  if (outcome.kind === "lost")
    throw new FlannelError("etcd.unavailable", { op: "renew", reason: "the record is being changed" });
  if (found.attrs.challenger === null) {
    deps.log.info("the record of this host's lease was rewritten; kept it", leaseFields(outcome.lease));
  } else {
    deps.log.warn("another host asked whether this one holds its lease; it does", {
      ...leaseFields(outcome.lease),
      node: found.attrs.challenger,
      hint: "it has the public IP of this host, or a copy of its disk",
    });
  }
  return outcome.lease;
}

async function reclaim(
  { held, attrs }: Tended,
  ttl: Millis,
  deps: KeepLeaseDeps,
  doubt: (reason: string) => void,
  signal: AbortSignal,
): Promise<Kept> {
  doubt("the record of this host's lease is gone from etcd");
  const outcome = await deps.store.claim(held.subnet, attrs, ttl, signal);
  if (outcome.kind === "taken") {
    const heir = await heirOf({ held, attrs }, deps, signal);
    if (heir) return { kind: "another's", found: heir };
    return kept(await repair({ held, attrs }, ttl, deps, signal), "rewritten");
  }
  deps.log.warn(
    "the record of this host's lease was gone from etcd; leased the same subnet again",
    leaseFields(outcome.lease),
  );
  return kept(outcome.lease, "rewritten");
}

/** Another host that has our IPv4 subnet under another key: alone, or with another one of IPv6. */
async function heirOf({ held, attrs }: Tended, { store }: KeepLeaseDeps, signal: AbortSignal): Promise<Lease | null> {
  if (!hasIpv4(held.subnet)) return null;
  const { leases } = await store.list(signal);
  const isHeir = ({ key, subnet, attrs: theirs }: Lease) =>
    key !== held.key && subnet.v4 === held.subnet.v4 && ownershipOf(theirs, attrs) !== "ours";
  return leases.find(isHeir) ?? null;
}

/** What is no lease is nobody's: the subnet stays ours, and the record says so again. */
async function repair(
  { held, attrs }: Tended,
  ttl: Millis,
  { store, log }: KeepLeaseDeps,
  signal: AbortSignal,
): Promise<Lease> {
  const outcome = await store.replaceBad(held.subnet, attrs, ttl, signal);
  if (outcome.kind === "taken") {
    throw new FlannelError("etcd.unavailable", { op: "claim", reason: "the record is being changed" });
  }
  log.warn(
    "the record of this host's lease was overwritten with what is no lease; wrote it again",
    leaseFields(outcome.lease),
  );
  return outcome.lease;
}
