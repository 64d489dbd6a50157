// The ways to a peer, and the largest packet that each may be asked to carry: what its device sends, and on the underlay
// no more than the overlay's largest packet needs.

import { type PeerAddress, peerAddresses } from "./backends/peer-addresses.ts";
import { familyOf, type Ip } from "./base/ip.ts";
import type { KernelNet } from "./net/kernel-net.ts";
import type { Lease } from "./subnet/lease.ts";

export interface PeerPath extends PeerAddress {
  /** In bytes, of the IP packet; null when there is no route. */
  readonly most: number | null;
}

/** Outer headers of the backends that have a device, by the family of the outer packet, in bytes. */
const OVERHEAD = { vxlan: { ipv4: 50, ipv6: 70 }, udp: { ipv4: 28, ipv6: 48 } } as const;

export async function waysTo(
  peer: Lease,
  kernel: Pick<KernelNet, "lookup" | "links">,
  signal: AbortSignal,
): Promise<readonly PeerPath[]> {
  const links = await kernel.links(signal);
  const ways: PeerPath[] = [];
  for (const address of peerAddresses(peer)) {
    const way = await kernel.lookup(address.ip, signal);
    ways.push({ ...address, most: links.find(({ name }) => name === way?.dev)?.mtu ?? null });
  }
  const overlay = ways.find(({ over }) => over === "overlay")?.most ?? null;
  return ways.map((way) => {
    if (way.over === "overlay" || overlay === null || way.most === null) return way;
    return { ...way, most: Math.min(way.most, overlay + overheadOf(peer, way.ip)) };
  });
}

function overheadOf({ attrs }: Lease, outer: Ip): number {
  return OVERHEAD[attrs.backendType === "vxlan" ? "vxlan" : "udp"][familyOf(outer)];
}
