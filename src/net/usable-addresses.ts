// Which addresses of an interface packets of the underlay may come from, best first. Pure.

import { type Family, type Ip, isLinkLocalIpv4, isUnicastIpv4, prefix4Contains, prefixLength } from "../base/ip.ts";
import { isLinkLocalIpv6, isUnicastIpv6 } from "../base/ipv6.ts";
import type { InterfaceAddress, InterfaceAddress6, InterfaceFacts } from "./kernel-net.ts";

/** The address as the interface has it, whatever its standing there; null when it has not. */
export function carriedAddress(
  { addresses, addresses6 }: InterfaceFacts,
  text: string,
  families: readonly Family[],
): Ip | null {
  const owned = addresses.find(({ ip }) => ip === text && isUnicastIpv4(ip));
  if (owned && families.includes("ipv4")) return owned.ip;
  const owned6 = addresses6.find(({ ip }) => ip === text && isUnicastIpv6(ip));
  return owned6 && families.includes("ipv6") ? owned6.ip : null;
}

/** Best first; equals stay in the kernel's order. */
export function usableAddresses({ addresses }: InterfaceFacts): readonly InterfaceAddress[] {
  const usable = addresses.filter(({ ip, deprecated }) => !deprecated && isUnicastIpv4(ip));
  return usable.toSorted(
    (a, b) =>
      Number(isLinkLocalIpv4(a.ip)) - Number(isLinkLocalIpv4(b.ip)) ||
      standing(a, usable) - standing(b, usable) ||
      Number(b.permanent) - Number(a.permanent),
  );
}

/**
 * The interface's own address, then further ones, then those that move between hosts.
 * Compat: the Go daemon asks for permanence first, and so takes a static VIP for the node's address under DHCP.
 */
function standing(address: InterfaceAddress, usable: readonly InterfaceAddress[]): 0 | 1 | 2 {
  if (isVirtual(address, usable)) return 2;
  return address.secondary ? 1 : 0;
}

/**
 * keepalived and kube-vip add a /32 to an interface that has an address with a real prefix already. Kernel: such a /32
 * is not IFA_F_SECONDARY, because its prefix is another. A host whose only addresses are /32 has no virtual ones.
 */
function isVirtual(address: InterfaceAddress, usable: readonly InterfaceAddress[]): boolean {
  if (prefixLength(address.prefix) < 32) return false;
  const position = usable.indexOf(address);
  return usable.some(
    ({ prefix }, index) => prefixLength(prefix) < 32 && (index < position || prefix4Contains(prefix, address.ip)),
  );
}

/** Best first; equals from the oldest on. */
export function usableAddresses6({ addresses6 }: InterfaceFacts): readonly InterfaceAddress6[] {
  const usable = addresses6.filter(({ ip, deprecated, tentative }) => !deprecated && !tentative && isUnicastIpv6(ip));
  return usable.toSorted(
    (a, b) =>
      Number(isLinkLocalIpv6(a.ip)) - Number(isLinkLocalIpv6(b.ip)) ||
      Number(isVirtual6(a, usable)) - Number(isVirtual6(b, usable)) ||
      Number(a.temporary) - Number(b.temporary) ||
      Number(b.permanent) - Number(a.permanent),
  );
}

/** A VIP is a permanent /128 beside an address with a real prefix; DHCPv6 gives a /128, too, but with a lifetime. */
function isVirtual6({ prefix, permanent }: InterfaceAddress6, usable: readonly InterfaceAddress6[]): boolean {
  if (prefixLength(prefix) < 128 || !permanent) return false;
  return usable.some((other) => prefixLength(other.prefix) < 128 && !isLinkLocalIpv6(other.ip));
}
