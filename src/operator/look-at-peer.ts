// All the ways to a peer, looked at once: for `ping` and `check`.

import type { Family } from "../base/ip.ts";
import type { PeerWay } from "../icmp/peer-report.ts";
import type { Pinger } from "../icmp/pinger.ts";
import { type LookOptions, lookAtWay } from "../icmp/way.ts";
import type { KernelNet } from "../net/kernel-net.ts";
import { waysTo } from "../peer-ways.ts";
import { hasIpv4, type Lease } from "../subnet/lease.ts";
import { withoutIpv4, withoutIpv6 } from "../subnet/lease-parts.ts";

export interface PeerLookDeps {
  readonly pinger: Pinger;
  readonly kernel: Pick<KernelNet, "lookup" | "links">;
}

export interface PeerLookOptions extends LookOptions {
  /** Without a device of the overlay here, only the underlay is looked at. */
  readonly hasDevice: boolean;
  /** Of the network: a record may have the addresses of another family from when the network had it. */
  readonly families: readonly Family[];
}

/** One after the other. */
export async function lookAtPeer(
  peer: Lease,
  options: PeerLookOptions,
  { pinger, kernel }: PeerLookDeps,
  signal: AbortSignal,
): Promise<readonly PeerWay[]> {
  const ways: PeerWay[] = [];
  for (const { over, ip, most } of await waysTo(partOf(peer, options.families), kernel, signal)) {
    if (over === "overlay" && !options.hasDevice) continue;
    ways.push({ over, ...(await lookAtWay({ to: ip, most }, options, pinger, signal)) });
  }
  return ways;
}

/** The whole of it when it has none of the families: then its host is asked all the same. */
function partOf(peer: Lease, families: readonly Family[]): Lease {
  const [has4, has6] = [hasIpv4(peer.subnet), peer.subnet.v6 !== null];
  if (has4 && !families.includes("ipv6")) return withoutIpv6(peer);
  if (has6 && !families.includes("ipv4")) return withoutIpv4(peer);
  return peer;
}
