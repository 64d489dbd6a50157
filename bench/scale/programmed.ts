// When changes of leases have arrived in a kernel, and whether all of it has.

import { waitFor } from "../../lab/wait.ts";
import type { KernelMonitor } from "../kernel-monitor.ts";
import { readKernelObjects } from "../kernel-monitor.ts";
import { kernelEvents, kernelObjects, type PeerChange, type PeerLease } from "../peer-leases.ts";
import { DEVICE, LIMIT, type Overlay } from "./overlay.ts";

/** When the last object of each change came or went, in the order of the changes; `since` is when each was sent. */
export async function timesProgrammed(
  monitor: KernelMonitor,
  changes: readonly PeerChange[],
  since: readonly number[],
  signal: AbortSignal,
): Promise<readonly number[]> {
  const times: number[] = [];
  const all = () => {
    // From where the last look has ended: all of it again and again would take the processor from what is measured.
    for (let index = times.length; index < changes.length; index++) {
      const at = timeProgrammed(monitor, changes[index], since[index] ?? 0);
      if (at === null) return null;
      times.push(at);
    }
    return times;
  };
  return await waitFor(`${changes.length} changes in the kernel`, all, LIMIT, signal);
}

function timeProgrammed(monitor: KernelMonitor, change: PeerChange | undefined, since: number): number | null {
  const times = (change ? kernelEvents(change) : []).map((event) => monitor.timeOf(event, since));
  return times.includes(null) ? null : Math.max(...times.map(Number));
}

/** Objects that are in the kernel and should not be, or should and are not. */
export async function countDifferences(
  { host }: Overlay,
  peers: readonly PeerLease[],
  signal: AbortSignal,
): Promise<number> {
  const found = await readKernelObjects(host.namespace, DEVICE, signal);
  const wanted = new Set(peers.flatMap(kernelObjects));
  const missing = [...wanted].filter((object) => !found.has(object));
  return missing.length + [...found].filter((object) => !wanted.has(object)).length;
}

/** Who is there after all changes. */
export function peersAfter(changes: readonly PeerChange[]): readonly PeerLease[] {
  const peers = new Map<string, PeerLease>();
  for (const { before, after } of changes) {
    if (before) peers.delete(before.subnet);
    if (after) peers.set(after.subnet, after);
  }
  return [...peers.values()];
}
