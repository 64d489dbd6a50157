// Whether the kernel forwards the packets of a family between interfaces.

import { readFile } from "node:fs/promises";
import type { Family } from "../base/ip.ts";

const SETTINGS: Readonly<Record<Family, string>> = { ipv4: "ipv4/ip_forward", ipv6: "ipv6/conf/all/forwarding" };

/** Kernel: of the network namespace of whoever reads. Null when /proc/sys does not show it. */
export async function isForwarding(family: Family): Promise<boolean | null> {
  const text = await readFile(`/proc/sys/net/${SETTINGS[family]}`, "utf8").catch(() => null);
  return text === null ? null : text.trim() !== "0";
}
