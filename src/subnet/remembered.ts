// What a host remembers of its network, to come up with when etcd does not answer: the config, its lease and all others.
// Two lines of JSON: a version and a checksum, and what they are of. Reading never throws: what is not whole is not used.

import { createHash } from "node:crypto";
import type { EpochMillis } from "../base/brand.ts";
import type { Acquired } from "./acquire-lease.ts";
import { type Identity, ownershipOf } from "./identity.ts";
import { hostIp, type Lease, type Revision } from "./lease.ts";
import { decodeRecord, encodeLeaseAttrs } from "./lease-codec.ts";

export interface Remembered {
  /** Where in etcd it is from. */
  readonly prefix: string;
  readonly writtenAt: EpochMillis;
  /** The network config as it was written. */
  readonly config: string;
  /** Not fresh. */
  readonly acquired: Acquired;
}

export type Recollection =
  | { readonly kind: "found"; readonly remembered: Remembered }
  /** `reason` is a clause about the file. */
  | { readonly kind: "none"; readonly reason: string };

const VERSION = 2;

interface Header {
  readonly version: number;
  readonly sha256: string;
}

interface RecordText {
  readonly key: string;
  /** JSON text. */
  readonly value: string;
  readonly modRevision: string;
  /** Not in files of earlier versions of flanneld. */
  readonly createRevision?: string;
  readonly leaseId: string;
}

interface Body {
  readonly prefix: string;
  /** Milliseconds since the epoch. */
  readonly writtenAt: number;
  readonly config: string;
  readonly revision: string;
  readonly own: RecordText;
  /** Milliseconds since the epoch; null for a reservation. */
  readonly until: number | null;
  readonly leases: readonly RecordText[];
}

export function encodeRemembered({ prefix, writtenAt, config, acquired }: Remembered): string {
  const { lease, list } = acquired;
  const body: Body = {
    prefix,
    writtenAt,
    config,
    revision: list.revision,
    own: recordText(lease),
    until: lease.term.kind === "until" ? lease.term.at : null,
    leases: list.leases.map(recordText),
  };
  const text = JSON.stringify(body);
  const header: Header = { version: VERSION, sha256: sha256(text) };
  return `${JSON.stringify(header)}\n${text}\n`;
}

export function decodeRemembered(text: string, prefix: string): Recollection {
  const [head = "", body = ""] = text.split("\n");
  const header = parse<Header>(head);
  if (header === null) return none("it is damaged");
  if (header.version !== VERSION) return none(`its version is ${header.version}, not ${VERSION}`);
  if (header.sha256 !== sha256(body)) return none("its checksum is wrong");
  const found = parse<Body>(body);
  if (found === null || found.prefix !== prefix) return none("it is of another network");
  const lease = leaseOf(found.own);
  if (lease === null) return none("its lease cannot be read");
  const term: Lease["term"] =
    found.until === null ? { kind: "reserved" } : { kind: "until", at: found.until as EpochMillis };
  const list = {
    revision: found.revision as Revision,
    leases: found.leases.flatMap((record) => leaseOf(record) ?? []),
    bad: [],
  };
  const acquired: Acquired = { lease: { ...lease, term }, list, fresh: false };
  const writtenAt = found.writtenAt as EpochMillis;
  return { kind: "found", remembered: { prefix, writtenAt, config: found.config, acquired } };
}

/** Why this host must not go on with it, as a clause; null when it may. */
export function unfitness({ acquired, writtenAt }: Remembered, self: Identity, now: EpochMillis): string | null {
  const { attrs, term } = acquired.lease;
  if (ownershipOf(attrs, self) !== "ours") return `its lease is of a host with the public IP ${hostIp(attrs)}`;
  // A machine without a clock of its own starts in the past, where nothing has ended yet.
  if (now < writtenAt) return "it is of a later time than the clock shows, so its lease may have ended";
  // Somebody else may have the subnet by now.
  if (term.kind === "until" && term.at <= now) return `its lease ended at ${new Date(term.at).toISOString()}`;
  return null;
}

function recordText({ key, attrs, version }: Lease): RecordText {
  const value = new TextDecoder().decode(encodeLeaseAttrs(attrs));
  return { key, value, ...version };
}

function leaseOf({ key, value, modRevision, createRevision = modRevision, leaseId }: RecordText): Lease | null {
  const bytes = new TextEncoder().encode(value);
  const revisions = { modRevision: modRevision as Revision, createRevision: createRevision as Revision };
  const record = decodeRecord({ key, value: bytes, ...revisions, leaseId });
  return record.kind === "lease" ? record.lease : null;
}

function none(reason: string): Recollection {
  return { kind: "none", reason };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** What the checksum vouches for is ours, and has our form. */
function parse<T>(text: string): T | null {
  try {
    return JSON.parse(text) as T | null;
  } catch {
    return null;
  }
}
