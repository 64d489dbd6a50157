// Whether the vxlan devices that a host already has leave room for ours. Looked at before anything is changed.

import type { Link, LinkName, VxlanLink } from "../net/objects.ts";
import type { VxlanOptions } from "./vxlan-options.ts";

/** Names the device that is in the way and the option that gets out of it; null when there is none. */
export function portConflict(options: VxlanOptions, dev: LinkName, links: readonly Link[]): string | null {
  const others = links.filter((link): link is VxlanLink => link.type === "vxlan" && link.name !== dev);
  const sharing = others.filter(({ port }) => port === options.port);
  // Kernel: a VNI is unique per port, whether the devices are up or not (vxlan_vni_in_use()).
  const twin = sharing.find(({ vni, external }) => vni === options.vni && !external);
  if (twin) {
    return `the vxlan device ${twin.name} already has VNI ${twin.vni} on UDP port ${twin.port}; delete it (ip link del ${twin.name}), or set another VNI or Port in the Backend of the network config`;
  }
  // Kernel: devices share the UDP socket of a port only if they agree on how packets are received (VXLAN_F_RCV_FLAGS).
  const loner = sharing.find(({ up, external, gbp }) => up && (external || gbp !== options.gbp));
  if (loner) {
    const why = loner.external ? "takes every VNI of it (external)" : "uses another GBP setting";
    return `UDP port ${loner.port} is taken by the vxlan device ${loner.name}, which ${why}; delete it (ip link del ${loner.name}), or set another Port in the Backend of the network config`;
  }
  return null;
}
