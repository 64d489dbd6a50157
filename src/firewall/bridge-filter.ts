// Whether the kernel shows packets on a bridge to iptables, which without br_netfilter it does not.

import { access } from "node:fs/promises";

/** Kernel: the setting is there while br_netfilter is loaded. What it is set to is the administrator's business. */
export async function hasBridgeFilter(): Promise<boolean> {
  return await access("/proc/sys/net/bridge/bridge-nf-call-iptables").then(
    () => true,
    () => false,
  );
}
