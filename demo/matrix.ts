// Every pod pings every pod.

import type { Pod } from "../lab/cni.ts";
import { type PingResult, ping } from "../lab/ping.ts";
import { waitFor } from "../lab/wait.ts";
import { seconds } from "../src/base/brand.ts";

/** How long a pod may be out of reach after its host has said that it is ready: the others learn of it through etcd. */
const REACH_LIMIT = seconds(10);
/** Pods that ping at the same time; more would measure each other. */
const AT_ONCE = 2;
const COUNT = 5;

/** One row a pod: the round trips to each pod, in the order of `pods`; null to itself. */
export type Matrix = readonly (readonly (PingResult | null)[])[];

/** Throws a sentence that names the first pair that does not answer. */
export async function pingAll(pods: readonly Pod[], onRow: (pod: Pod) => void, signal: AbortSignal): Promise<Matrix> {
  const rows: (readonly (PingResult | null)[])[] = [];
  const waiting = [...pods.entries()];
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [index, pod] = next;
      rows[index] = await pingRow(pod, pods, signal);
      onRow(pod);
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
  const failed = ended.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  return rows;
}

async function pingRow(from: Pod, pods: readonly Pod[], signal: AbortSignal): Promise<readonly (PingResult | null)[]> {
  const row: (PingResult | null)[] = [];
  for (const to of pods) row.push(to === from ? null : await pingPair(from, to, signal));
  return row;
}

/** The first ping waits until the way is open, and for neighbours to be found; the others are measured. */
async function pingPair(from: Pod, to: Pod, signal: AbortSignal): Promise<PingResult> {
  const what = `an answer to the pings of the pod on ${from.host.name} (${from.address}) from the pod on ${to.host.name} (${to.address})`;
  const look = async () => {
    const { received } = await ping(from.namespace, to.address, { count: 1 }, signal);
    return received > 0 ? true : null;
  };
  await waitFor(what, look, REACH_LIMIT, signal);
  const result = await ping(from.namespace, to.address, { count: COUNT }, signal);
  if (result.received < COUNT) throw new Error(`${COUNT - result.received} of ${COUNT} pings did not get ${what}`);
  return result;
}

/** Zero when there is nothing to count. */
export function countAnswers(matrix: Matrix): number {
  return matrix.flat().filter((result) => result?.roundTrip).length;
}
