// Over which IP version the datagrams of udp go: IPv4 in a network that has it, and else IPv6. The config says that, so
// all hosts choose alike; the underlay has addresses of the network's families and no others. Whatever is inside.

import { type Family, type Ip, NO_IPV4 } from "../base/ip.ts";
import type { Underlay } from "../net/underlay.ts";
import type { Lease } from "../subnet/lease.ts";

export interface Carrier {
  /** Of this host's socket. */
  readonly address: Ip;
  /** Outer IP and UDP (8) headers, in bytes. */
  readonly overhead: number;
  /** Where a peer's socket is; null when its record does not say. */
  readonly addressOf: (peer: Lease) => Ip | null;
  /** Why nothing can be sent to a peer of which addressOf is null. */
  readonly lack: string;
}

/** Of IPv4. */
export const OVERHEAD = 28;
/** The outer header of IPv6 has 40 bytes. */
const OVERHEAD6 = 48;

/** Of a network that has these. */
export function carrierFamily(families: readonly Family[]): Family {
  return families.includes("ipv4") ? "ipv4" : "ipv6";
}

export function carrierOf({ address, v6 }: Underlay): Carrier {
  if (address === NO_IPV4 && v6 !== null) {
    return {
      address: v6.address,
      overhead: OVERHEAD6,
      addressOf: ({ attrs }) => attrs.publicIpv6,
      lack: "its record has no PublicIPv6, over which the packets of this network go",
    };
  }
  return {
    address,
    overhead: OVERHEAD,
    addressOf: ({ attrs }) => (attrs.publicIp === NO_IPV4 ? null : attrs.publicIp),
    lack: "its record has no PublicIP, over which the packets of this network go",
  };
}
