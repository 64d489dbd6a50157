// The network config: the JSON that an operator puts at <prefix>/config, parsed, validated and derived as the Go daemon does.

import type { Ipv4, Prefix4 } from "../base/ip.ts";
import type { Ipv6, Prefix6 } from "../base/ipv6.ts";
import type { Json } from "./lease.ts";

/** The IPv4 side. Total: every derived default is filled in. */
export interface Ipv4Network {
  readonly network: Prefix4;
  readonly subnetLen: number;
  readonly subnetMin: Ipv4;
  readonly subnetMax: Ipv4;
}

export interface Ipv6Network {
  readonly network: Prefix6;
  readonly subnetLen: number;
  readonly subnetMin: Ipv6;
  readonly subnetMax: Ipv6;
}

export interface NetworkConfig {
  /** Null when EnableIPv4 is false. */
  readonly ipv4: Ipv4Network | null;
  /** Null unless EnableIPv6. */
  readonly ipv6: Ipv6Network | null;
  readonly nftables: boolean;
  readonly backend: {
    /** Lower case. "udp" when the config has no Backend (Compat). */
    readonly type: string;
    /** The members of the Backend object, for the backend to read. */
    readonly options: { readonly [key: string]: Json };
  };
}
