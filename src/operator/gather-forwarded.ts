// Has the kernel say where it would send what this host forwards between containers and peers.

import { mapInParallel } from "../base/tasks.ts";
import type { Facts } from "../check/facts.ts";
import { forwardedCases, type RouteFacts } from "../check/forwarded-ways.ts";
import type { HostProbe } from "../check/host-probe.ts";

/** Each is a process. */
const AT_ONCE = 4;

export async function withForwarded<F extends Omit<Facts, "forwarded"> & RouteFacts>(
  facts: F,
  host: Pick<HostProbe, "forwardedWay">,
  signal: AbortSignal,
): Promise<F & Pick<Facts, "forwarded">> {
  const forwarded = await mapInParallel(
    forwardedCases(facts),
    AT_ONCE,
    async (one, scope) => ({ ...one, way: await host.forwardedWay(one, scope) }),
    signal,
  );
  return { ...facts, forwarded };
}
