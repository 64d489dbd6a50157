// What this host's record in etcd must say, as of now: what was announced at the start, until another underlay is in
// force.

import type { Backend } from "./backends/backend.ts";
import type { Random } from "./base/random.ts";
import type { Underlay } from "./net/underlay.ts";
import type { Announcement, Lease, LeaseAttrs } from "./subnet/lease.ts";

export interface OwnRecordDeps {
  readonly backend: () => Backend;
  /** In force when the record was written first. */
  readonly first: Underlay;
  readonly underlay: () => Underlay;
  readonly mark: string;
  readonly random: Random;
}

/** The attributes that the record given must have. Asking again gives the same while nothing has changed. */
export function createOwnRecord({
  backend,
  first,
  underlay,
  mark,
  random,
}: OwnRecordDeps): (held: Lease) => LeaseAttrs {
  let announced: { readonly underlay: Underlay; readonly says: Announcement | null } = { underlay: first, says: null };
  return (own) => {
    const now = underlay();
    if (now !== announced.underlay) {
      // The record has all that the backend would look for on the host's links.
      announced = { underlay: now, says: backend().advertise({ underlay: now, links: [], mark, own, random }) };
    }
    return announced.says === null ? own.attrs : { ...own.attrs, ...announced.says };
  };
}
