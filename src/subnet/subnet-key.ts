// The last part of a lease's key in etcd <-> the subnet: "10.5.52.0-24", dual-stack "10.5.52.0-24&fd00:5:52::-64".
// Compat: stricter than the Go daemon, which looks at the end of the key only and keeps host bits.

import { parsePrefix4, prefixLength } from "../base/ip.ts";
import { parsePrefix6 } from "../base/ipv6.ts";
import type { Subnet, SubnetKey } from "./lease.ts";

const KEY = /^(\d+\.\d+\.\d+\.\d+)-(\d+)(?:&([0-9a-f:]+)-(\d+))?$/;

/** Null unless the whole text is the key of a subnet in canonical form. */
export function parseSubnetKey(text: string): Subnet | null {
  const match = KEY.exec(text);
  if (!match) return null;
  const [, v4 = "", length4 = "", v6, length6] = match;
  try {
    const subnet: Subnet = {
      v4: parsePrefix4(`${v4}/${length4}`),
      v6: v6 === undefined ? null : parsePrefix6(`${v6}/${length6}`),
    };
    // Compat: a /32 or /128 does not fit Go's pattern. The comparison refuses host bits and other spellings.
    const fits = prefixLength(subnet.v4) < 32 && (subnet.v6 === null || prefixLength(subnet.v6) < 128);
    return fits && formatSubnetKey(subnet) === text ? subnet : null;
  } catch {
    return null;
  }
}

export function formatSubnetKey({ v4, v6 }: Subnet): SubnetKey {
  const part = (prefix: string) => prefix.replace("/", "-");
  return (v6 === null ? part(v4) : `${part(v4)}&${part(v6)}`) as SubnetKey;
}
