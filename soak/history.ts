// What etcd's history must never show: a host with another subnet than it had at the start. As the hosts' subnets are
// different ones, two hosts then never hold one. Pure.

import { decodeLeaseAttrs } from "../src/subnet/lease-codec.ts";

/** A change below the prefix of the records. */
export interface RecordEvent {
  /** "10.5.7.0-24" */
  readonly key: string;
  /** Null when the record is gone. */
  readonly value: string | null;
  readonly revision: number;
}

/** Whose record is whose. */
export interface Owner {
  readonly host: string;
  readonly publicIp: string;
  /** "10.5.7.0-24" */
  readonly key: string;
}

/** A sentence when the event breaks the promise; null when not, or when it is no host's doing. */
export function judgeEvent({ key, value, revision }: RecordEvent, owners: readonly Owner[]): string | null {
  const writer = value === null ? null : ownerOf(value, owners);
  if (writer === null || writer.key === key) return null;
  const former = owners.find((owner) => owner.key === key);
  const whose = former ? `which is ${former.host}'s` : `and had ${writer.key}`;
  return `${writer.host} leased ${key} at revision ${revision}, ${whose}`;
}

/** By the public IP: the soak's own records have none of a host's. */
function ownerOf(value: string, owners: readonly Owner[]): Owner | null {
  const publicIp = publicIpOf(value);
  return owners.find((owner) => owner.publicIp === publicIp) ?? null;
}

/** Null when the record is none. */
export function publicIpOf(value: string): string | null {
  try {
    return decodeLeaseAttrs(new TextEncoder().encode(value)).publicIp;
  } catch {
    return null;
  }
}
