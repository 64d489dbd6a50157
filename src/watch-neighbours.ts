// Warns before the kernel's neighbour table is full. Then no packet gets to a host that is not in it already, and nothing
// else says why. With many hosts on one link the limit that kernels come with (1024) is soon reached.

import { minutes } from "./base/brand.ts";
import type { Clock } from "./base/clock.ts";
import { createComplaint } from "./base/complaint.ts";
import { isError } from "./base/errors.ts";
import type { Logger } from "./base/log.ts";
import type { KernelNet, NeighbourTable } from "./net/kernel-net.ts";
import { type NetObject, objectFamily } from "./net/objects.ts";
import type { Plan } from "./net/plan.ts";

export interface NeighbourWatch {
  /** What is planned now. */
  follow(plan: Plan): void;
  /** How full the table is, as a phrase, when that is too much; else null. */
  trouble(): string | null;
  run(signal: AbortSignal): Promise<void>;
}

export interface WatchNeighboursDeps {
  readonly kernel: Pick<KernelNet, "neighbourTable">;
  readonly clock: Clock;
  readonly log: Logger;
}

const INTERVAL = minutes(1);
/** Of the limit. */
const TOO_MUCH = 0.8;
const HINT =
  "raise net.ipv4.neigh.default.gc_thresh1, gc_thresh2 and gc_thresh3 with sysctl, above the number of hosts";

export function createNeighbourWatch({ kernel, clock, log }: WatchNeighboursDeps): NeighbourWatch {
  const complaint = createComplaint(
    { raised: "the kernel's neighbour table is nearly full", settled: "the kernel's neighbour table has room again" },
    { clock, log },
  );
  let plan: Plan | null = null;
  /** The permanent ones of the plan; counted when they are asked for, and once for each plan. */
  let permanent: number | null = null;
  let trouble: string | null = null;
  const look = async (signal: AbortSignal) => {
    const table = await kernel.neighbourTable(signal);
    permanent ??= plan?.want.filter(isIpv4Neighbour).length ?? 0;
    trouble = fullness(table, permanent);
    if (trouble === null) complaint.settle();
    else complaint.raise(trouble, { hint: HINT });
  };
  return {
    follow(next) {
      if (next !== plan) permanent = null;
      plan = next;
    },
    trouble: () => trouble,
    async run(signal) {
      for (;;) {
        await clock.sleep(INTERVAL, signal);
        try {
          await look(signal);
        } catch (error) {
          // It is asked again in a minute.
          if (!isError(error, "netlink.errno")) throw error;
        }
      }
    },
  };
}

/** Those of IPv6 are in a table of their own. */
function isIpv4Neighbour(object: NetObject): boolean {
  return object.kind === "neighbour" && objectFamily(object) === "ipv4";
}

/** Kernel: since 5.0 permanent entries, as ours are, are among the entries and do not count against the limit. */
function fullness(table: NeighbourTable | null, permanent: number): string | null {
  if (table === null) return null;
  const counted = table.entries - permanent;
  return counted < table.limit * TOO_MUCH ? null : `it has ${counted} of at most ${table.limit} entries`;
}
