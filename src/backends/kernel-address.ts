// Addresses that are on a device without anybody having put them there: no backend wants or claims them.

import type { IfAddr } from "../base/ip.ts";
import { type Ipv6, isLinkLocalIpv6 } from "../base/ipv6.ts";

/** Kernel: every interface that is up has one in fe80::/10, of its own making. */
export function isKernelAddress(address: IfAddr): boolean {
  return isLinkLocalIpv6(address as string as Ipv6);
}
