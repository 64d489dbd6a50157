// Many daemons that join at the same moment: the whole lease code of each, with a connection of its own, in one process.

import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { requestsBetween, sum } from "../etcd-metrics.ts";
import { figure, type Measured, spread } from "./figures.ts";
import { openFleet } from "./fleet.ts";
import { fleetOptions, openStage } from "./stage.ts";

/** On average, lost races included. */
const MOST_REQUESTS = 6;
const LIMIT = seconds(900);
/** A crowd that takes a quarter of all subnets meets itself more often than one in a network that is nearly empty. */
const SUBNETS_EACH = 4;

export async function measureJoin(daemons: number, signal: AbortSignal): Promise<readonly Measured[]> {
  await using stage = await openStage(networkFor(daemons), [], signal);
  await using fleet = await openFleet(stage.namespace, fleetOptions(daemons), signal);
  const before = await stage.metrics(signal);
  const began = systemClock.monotonic();
  const acquired = await fleet.join(LIMIT, signal);
  const took = systemClock.monotonic() - began;
  await fleet.following(LIMIT, signal);
  const after = await stage.metrics(signal);
  const requests = requestsBetween(before, after);
  const subnets = new Set(acquired.map(({ subnet }) => subnet));
  return [
    figure("until all have a subnet", took / 1000, "s"),
    ...spread(
      "one daemon, from its first request to its subnet",
      acquired.map(({ millis }) => millis),
      "ms",
    ),
    figure("subnets given twice", daemons - subnets.size, "", 0),
    figure("races lost", requests.get("Lease/LeaseRevoke") ?? 0, ""),
    figure("requests to etcd for each daemon", sum(requests) / daemons, "", MOST_REQUESTS),
    figure("etcd's processor time", after.cpuSeconds - before.cpuSeconds, "s"),
  ];
}

/** The smallest network, but no smaller than a /16, with several subnets of /24 for each daemon. */
export function networkFor(daemons: number): string {
  const length = Math.min(16, 24 - Math.ceil(Math.log2(daemons * SUBNETS_EACH)));
  return `{"Network":"10.0.0.0/${Math.max(8, length)}","SubnetLen":24,"Backend":{"Type":"vxlan"}}`;
}
