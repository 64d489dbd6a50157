// Whether the kernel can make vxlan devices, found out without making one.

import type { LinkName, OtherLink } from "../net/objects.ts";
import type { Connection } from "./connection.ts";
import { createLink } from "./link.ts";

const NAME = "flannel-probe" as LinkName;

/**
 * Null when this user may not ask. Kernel: a vxlan device needs attributes, so that one without any is refused as invalid
 * where there are such devices, and as unknown where there are none, after the kernel has tried to load the module
 * (facts.test.ts).
 */
export function supportsVxlan(connection: Connection): boolean | null {
  const bare: OtherLink = { kind: "link", type: "other", driver: "vxlan", name: NAME, mtu: 1400, up: false, mac: null };
  const [refusal] = connection.execute([createLink(bare, null)]);
  switch (refusal?.errno) {
    case "EINVAL":
      return true;
    case "EOPNOTSUPP":
      return false;
    default:
      return null;
  }
}
