// Why the kernel has refused a link, in words that say what to do. The kernel's own are kept where they say as much.

import { type Family, familyOf } from "../base/ip.ts";
import type { Link } from "../net/objects.ts";
import type { Refusal } from "./connection.ts";

export interface RefusalDeps {
  /** Who has a UDP port; null when that is not known. */
  readonly holderOf: (port: number, family: Family) => string | null;
}

export function explainRefusal(link: Link, refusal: Refusal, { holderOf }: RefusalDeps): Refusal {
  if (link.type !== "vxlan") return refusal;
  switch (refusal.errno) {
    // Kernel: it has tried to load the module by itself.
    case "EOPNOTSUPP": {
      const message =
        "this kernel has no vxlan devices: load the module vxlan (modprobe vxlan), which some systems have in a package of its own, such as linux-modules-extra";
      return { ...refusal, message };
    }
    // Kernel: the socket is opened when the device is set up.
    case "EADDRINUSE": {
      const holder = holderOf(link.port, link.local === null ? "ipv4" : familyOf(link.local)) ?? "another program";
      const message = `${holder} has UDP port ${link.port}: stop it, or set another Port in the Backend of the network config`;
      return { ...refusal, message };
    }
    default:
      return refusal;
  }
}
