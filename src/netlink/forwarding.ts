// Whether the kernel forwards IPv4 packets between interfaces.

import { readFile } from "node:fs/promises";

/** Kernel: of the network namespace of whoever reads. Null when /proc/sys does not show it. */
export async function isForwardingIpv4(): Promise<boolean | null> {
  const text = await readFile("/proc/sys/net/ipv4/ip_forward", "utf8").catch(() => null);
  return text === null ? null : text.trim() !== "0";
}
