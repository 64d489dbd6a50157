// A lease's record in etcd <-> its attributes. Writes byte for byte what the Go daemon writes, and behind that the
// members that are ours. Reads what it reads: names in any case, unknown members ignored. A record that is no lease is
// described, not thrown: it is left out and hurts nobody.

import { FlannelError, isError } from "../base/errors.ts";
import { type Ipv4, NO_IPV4, parseIpv4 } from "../base/ip.ts";
import { type Ipv6, parseIpv6 } from "../base/ipv6.ts";
import { excerpt, invalidMember, type Json, type JsonObject, jsonObject, member, string } from "../base/json.ts";
import type { Lease, LeaseAttrs, LeaseTerm, NodeId, Revision, SubnetKey } from "./lease.ts";
import type { BadRecord } from "./lease-store.ts";
import { parseSubnetKey } from "./subnet-key.ts";

/** A record as the store has it. */
export interface RawRecord {
  /** Relative to the subnets prefix. */
  readonly key: string;
  readonly value: Uint8Array;
  readonly modRevision: Revision;
  readonly createRevision: Revision;
  /** Decimal text, "0" for none. */
  readonly leaseId: string;
}

export type DecodedRecord =
  | { readonly kind: "lease"; readonly lease: Lease }
  | { readonly kind: "bad"; readonly record: BadRecord };

const LONGEST_KEY = 256;
/** Generous: a record has some hundred bytes. */
const LARGEST_VALUE = 65_536;
/** Deeper than any backend's data; keeps a hostile record from exhausting the stack of whoever walks through it. */
const DEEPEST = 32;

const NODE_ID = /^[0-9A-Za-z-]{1,64}$/;

export function encodeLeaseAttrs(attrs: LeaseAttrs): Uint8Array {
  const members = {
    PublicIP: attrs.publicIp,
    PublicIPv6: attrs.publicIpv6,
    ...(attrs.backendType !== "" && { BackendType: attrs.backendType }),
    ...(attrs.backendData !== null && { BackendData: attrs.backendData }),
    ...(attrs.backendV6Data !== null && { BackendV6Data: attrs.backendV6Data }),
    ...(attrs.nodeId !== null && { NodeID: attrs.nodeId }),
    ...(attrs.challenger !== null && { Challenger: attrs.challenger }),
  };
  return new TextEncoder().encode(escapeHtml(JSON.stringify(members)));
}

/** Compat: the Go encoder escapes these, which in JSON occur inside strings only. */
function escapeHtml(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Throws `config.invalid` with the member's path unless the bytes are a record's value. */
export function decodeLeaseAttrs(value: Uint8Array): LeaseAttrs {
  if (value.length > LARGEST_VALUE) {
    throw invalid(`has ${value.length} bytes, more than the ${LARGEST_VALUE} that a record may have`);
  }
  const object = jsonObject(parseShallow(new TextDecoder().decode(value)), "$");
  return {
    publicIp: readPublicIp(object),
    publicIpv6: readPublicIpv6(object),
    backendType: string(object, "BackendType", ""),
    backendData: member(object, "BackendData") ?? null,
    backendV6Data: member(object, "BackendV6Data") ?? null,
    nodeId: readNodeId(object, "NodeID"),
    challenger: readNodeId(object, "Challenger"),
  };
}

/** Of thousands of records at once, hence JSON.parse. Its messages differ between versions of Node: not passed on. */
function parseShallow(text: string): Json {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw invalid("is not valid JSON");
  }
  if (!isShallow(value, DEEPEST)) throw invalid(`is nested more than ${DEEPEST} levels deep`);
  return value;
}

function isShallow(value: Json, levels: number): boolean {
  if (value === null || typeof value !== "object") return true;
  return levels > 0 && Object.values(value).every((part: Json) => isShallow(part, levels - 1));
}

/** Compat: a missing one means that the host has no IPv4, null is an error. */
function readPublicIp(object: JsonObject): Ipv4 {
  const value = member(object, "PublicIP");
  if (value === undefined) return NO_IPV4;
  return parseAddress(object, "PublicIP", value, "an IPv4 address", parseIpv4);
}

/** Compat: missing in old records, null in those of IPv4 hosts; an IPv4 address is read as IPv4-mapped. */
function readPublicIpv6(object: JsonObject): Ipv6 | null {
  const value = member(object, "PublicIPv6") ?? null;
  if (value === null) return null;
  return parseAddress(object, "PublicIPv6", value, "an IPv6 address", (text) =>
    parseIpv6(text.includes(":") ? text : `::ffff:${text}`),
  );
}

/** What is none is ignored, as the Go daemon ignores the member. */
function readNodeId(object: JsonObject, name: string): NodeId | null {
  const value = member(object, name);
  return typeof value === "string" && NODE_ID.test(value) ? (value as NodeId) : null;
}

function parseAddress<T>(object: JsonObject, name: string, value: Json, wanted: string, parse: (text: string) => T): T {
  const complaint = `must be ${wanted}, but is ${excerpt(value)}`;
  if (typeof value !== "string") throw invalidMember(object, name, complaint);
  try {
    return parse(value);
  } catch {
    throw invalidMember(object, name, complaint);
  }
}

function invalid(reason: string): FlannelError<"config.invalid"> {
  return new FlannelError("config.invalid", { at: "$", reason });
}

/** Compat: the Go daemon takes it for a host at 0.0.0.0. It names none, and so it takes no host's subnet away. */
function isNobody({ publicIp, publicIpv6 }: LeaseAttrs): boolean {
  return publicIp === NO_IPV4 && publicIpv6 === null;
}

/** As a bad record's key is told. */
export function shortKey(key: string): string {
  return key.slice(0, LONGEST_KEY);
}

/** One object for all of them. */
const LEASED: LeaseTerm = { kind: "leased" };
const RESERVED: LeaseTerm = { kind: "reserved" };

/** Never throws, whatever the record holds. A peer's lease time is not known; see Lease.term. */
export function decodeRecord({ key, value, modRevision, createRevision, leaseId }: RawRecord): DecodedRecord {
  const bad = (reason: string): DecodedRecord => ({ kind: "bad", record: { key: shortKey(key), reason } });
  if (key.length > LONGEST_KEY) return bad(`its key is longer than ${LONGEST_KEY} characters`);
  try {
    const subnet = parseSubnetKey(key);
    const attrs = decodeLeaseAttrs(value);
    if (isNobody(attrs)) return bad("its value is not a lease: it has no public IP");
    const lease: Lease = {
      key: key as SubnetKey,
      subnet,
      attrs,
      term: leaseId === "0" ? RESERVED : LEASED,
      version: { modRevision, createRevision, leaseId },
    };
    return { kind: "lease", lease };
  } catch (error) {
    if (isError(error, "address.invalid")) return bad(`its key is not ${error.info.wanted}`);
    if (isError(error, "config.invalid")) return bad(`its value is not a lease: ${error.message}`);
    throw error;
  }
}
