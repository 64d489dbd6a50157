// Which families a network has, and what it is called for people.

import { FAMILIES, type Family, familyOf, type Prefix, type Prefix4, prefix4Contains } from "../base/ip.ts";
import { type Prefix6, prefix6Contains } from "../base/ipv6.ts";
import type { NetworkConfig } from "./network-config.ts";

type Networks = Pick<NetworkConfig, "ipv4" | "ipv6">;

/** At least one. */
export function familiesOf(network: Networks): readonly Family[] {
  return FAMILIES.filter((family) => network[family] !== null);
}

/** "10.5.0.0/16", "10.5.0.0/16 and fd00:10:5::/48" */
export function describeNetwork({ ipv4, ipv6 }: Networks): string {
  return [ipv4, ipv6].flatMap((one) => one?.network ?? []).join(" and ");
}

/** Whether the prefix lies inside the network of its family. */
export function isInNetwork({ ipv4, ipv6 }: Networks, prefix: Prefix): boolean {
  if (familyOf(prefix) === "ipv4") return ipv4 !== null && prefix4Contains(ipv4.network, prefix as Prefix4);
  return ipv6 !== null && prefix6Contains(ipv6.network, prefix as Prefix6);
}
