// All the ways to a peer, looked at once: for `ping` and `check`.

import type { PeerWay } from "../icmp/peer-report.ts";
import type { Pinger } from "../icmp/pinger.ts";
import { type LookOptions, lookAtWay } from "../icmp/way.ts";
import type { KernelNet } from "../net/kernel-net.ts";
import { waysTo } from "../peer-ways.ts";
import type { Lease } from "../subnet/lease.ts";

export interface PeerLookDeps {
  readonly pinger: Pinger;
  readonly kernel: Pick<KernelNet, "lookup" | "links">;
}

/** One after the other; without a device of the overlay here, only those of the underlay. */
export async function lookAtPeer(
  peer: Lease,
  options: LookOptions & { readonly hasDevice: boolean },
  { pinger, kernel }: PeerLookDeps,
  signal: AbortSignal,
): Promise<readonly PeerWay[]> {
  const ways: PeerWay[] = [];
  for (const { over, ip, most } of await waysTo(peer, kernel, signal)) {
    if (over === "overlay" && !options.hasDevice) continue;
    ways.push({ over, ...(await lookAtWay({ to: ip, most }, options, pinger, signal)) });
  }
  return ways;
}
