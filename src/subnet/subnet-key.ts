// The last part of a lease's key in etcd <-> the subnet that it names.
// Compat: what the Go daemon writes is read, and what we write the Go daemon reads. Unlike its reader, which looks only
// at the end of a key, the whole text must match and a host part makes the record a bad one.

import { FlannelError, isError } from "../base/errors.ts";
import { parsePrefix4 } from "../base/ip.ts";
import { parseIpv6, parsePrefix6 } from "../base/ipv6.ts";
import type { Subnet, SubnetKey } from "./lease.ts";

/** "10.5.52.0-24", and behind "&" the IPv6 subnet. Compat: a length of 32, or 128, is not accepted. */
const KEY = /^([\d.]+)-(\d|[12]\d|3[01])(?:&([0-9a-f:]+)-(\d|[1-9]\d|1[01]\d|12[0-7]))?$/;

export function formatSubnetKey({ v4, v6 }: Subnet): SubnetKey {
  const text = v6 === null ? v4 : `${v4}&${v6}`;
  return text.replaceAll("/", "-") as SubnetKey;
}

/** Throws `address.invalid` unless the text is a subnet key. */
export function parseSubnetKey(text: string): Subnet {
  const subnet = readSubnet(text);
  if (subnet !== null) return subnet;
  throw new FlannelError("address.invalid", { text, wanted: "a subnet without a host part, such as 10.5.52.0-24" });
}

/** Null unless the text is a subnet key. */
export function readSubnet(text: string): Subnet | null {
  const [, address4, length4, address6, length6] = KEY.exec(text) ?? [];
  if (address4 === undefined) return null;
  try {
    const v4 = parsePrefix4(`${address4}/${length4}`);
    if (v4 !== `${address4}/${length4}`) return null;
    if (address6 === undefined) return { v4, v6: null };
    const v6 = parsePrefix6(`${address6}/${length6}`);
    // An IPv6 address has many texts: compared in the canonical one.
    return v6 === `${parseIpv6(address6)}/${length6}` ? { v4, v6 } : null;
  } catch (error) {
    if (isError(error, "address.invalid")) return null;
    throw error;
  }
}
