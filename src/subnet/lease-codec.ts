// The value of a lease in etcd <-> LeaseAttrs. Encoding gives the Go daemon's bytes: compact, members in its order,
// absent ones left out. Decoding takes what its reader takes: member names in any case, unknown ones ignored.

import { type Ipv4, parseIpv4 } from "../base/ip.ts";
import { type Ipv6, parseIpv6 } from "../base/ipv6.ts";
import { type Json, type JsonObject, jsonObject, member } from "../base/json.ts";
import type { LeaseAttrs } from "./lease.ts";

/** A record larger than this is not a lease, whatever it says. Real ones have 150 octets. */
const LARGEST_VALUE = 64 * 1024;

const NO_ADDRESS = "0.0.0.0" as Ipv4;

/** Go's encoder escapes these in strings, so that JSON can stand in HTML and JavaScript. */
const ESCAPED = /[<>&\u2028\u2029]/g;

export function encodeLeaseAttrs(attrs: LeaseAttrs): string {
  const value: Record<string, Json> = { PublicIP: attrs.publicIp, PublicIPv6: attrs.publicIpv6 };
  if (attrs.backendType !== "") value["BackendType"] = attrs.backendType;
  if (attrs.backendData !== null) value["BackendData"] = attrs.backendData;
  if (attrs.backendV6Data !== null) value["BackendV6Data"] = attrs.backendV6Data;
  return JSON.stringify(value).replace(ESCAPED, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

export type DecodedAttrs =
  | { readonly kind: "attrs"; readonly attrs: LeaseAttrs }
  | { readonly kind: "bad"; readonly reason: string };

/** Never throws. */
export function decodeLeaseAttrs(text: string): DecodedAttrs {
  if (text.length > LARGEST_VALUE) return bad(`is larger than ${LARGEST_VALUE} octets`);
  try {
    const object = jsonObject(JSON.parse(text) as Json, "$");
    return {
      kind: "attrs",
      attrs: {
        publicIp: readPublicIp(object),
        publicIpv6: readPublicIpv6(object),
        backendType: readBackendType(object),
        backendData: member(object, "BackendData") ?? null,
        backendV6Data: member(object, "BackendV6Data") ?? null,
      },
    };
  } catch (error) {
    return bad(error instanceof SyntaxError ? "is not JSON" : `does not make sense: ${(error as Error).message}`);
  }
}

function bad(reason: string): DecodedAttrs {
  return { kind: "bad", reason };
}

/** Compat: without the member Go reads 0.0.0.0; null is an error. */
function readPublicIp(object: JsonObject): Ipv4 {
  const value = member(object, "PublicIP");
  if (value === undefined) return NO_ADDRESS;
  return parseIpv4(typeof value === "string" ? value : JSON.stringify(value));
}

/** Compat: records of before dual-stack have no such member. */
function readPublicIpv6(object: JsonObject): Ipv6 | null {
  const value = member(object, "PublicIPv6") ?? null;
  return value === null ? null : parseIpv6(typeof value === "string" ? value : JSON.stringify(value));
}

function readBackendType(object: JsonObject): string {
  const value = member(object, "BackendType") ?? "";
  if (typeof value !== "string") throw new TypeError("BackendType is not a string");
  return value;
}
