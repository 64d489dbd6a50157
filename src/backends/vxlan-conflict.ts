// Whether the vxlan devices that a host already has leave room for ours. Looked at before anything is changed.

import { type Family, familyOf } from "../base/ip.ts";
import type { Link, LinkName, VxlanLink } from "../net/objects.ts";
import type { VxlanOptions } from "./vxlan-options.ts";
import type { VxlanSide } from "./vxlan-side.ts";

/** Kernel: IFNAMSIZ, less the zero at its end. */
const LONGEST_NAME = 15;

function nameTooLong(dev: LinkName, vni: number): string {
  const most = 10 ** (LONGEST_NAME - dev.length + String(vni).length) - 1;
  return `the kernel has no names as long as ${dev}: set a VNI of at most ${most} in the Backend of the network config`;
}

/**
 * Kernel: a device whose packets travel by IPv6 has a UDP socket of its own, which takes no IPv4 (udp_conf.ipv6_v6only in
 * vxlan_create_sock()), and a VNI of its own family; so each port and VNI can be had once in either family.
 */
function carries(family: Family, { local }: VxlanLink): boolean {
  return (local === null ? "ipv4" : familyOf(local)) === family;
}

/** Names the device that is in the way and the option that gets out of it; null when there is none. */
export function portConflict(options: VxlanOptions, { dev, family }: VxlanSide, links: readonly Link[]): string | null {
  if (dev.length > LONGEST_NAME) return nameTooLong(dev, options.vni);
  const others = links.filter((link): link is VxlanLink => link.type === "vxlan" && link.name !== dev);
  const sharing = others.filter((link) => link.port === options.port && (link.external || carries(family, link)));
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
