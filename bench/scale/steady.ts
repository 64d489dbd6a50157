// What one daemon asks of etcd when nothing happens: pings, the census, renewals and the watch's progress. Each is measured
// with real lease code at a much shorter interval than a daemon's own, through a proxy that counts bytes; what it costs
// once is what the traffic has beyond that of the pings alone, divided by how often it happened.

import { type Millis, minutes, seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { requestsBetween, sum } from "../etcd-metrics.ts";
import { arrivals, NETWORK_CONFIG, writeOf } from "../peer-leases.ts";
import { count, figure, type Measured } from "./figures.ts";
import { openFleet } from "./fleet.ts";
import type { ScaleOptions } from "./options.ts";
import { fleetOptions, HABITS, openStage } from "./stage.ts";

const DAEMONS = 20;
const HOSTS = [1000, 5000];
const LIMIT = seconds(120);
/** Long enough that nothing of the kind happens while something else is measured. */
const NEVER = minutes(24 * 60);
/** The census comes after between half of its interval and all of it. */
const CENSUSES_PER_HOUR = minutes(60) / (HABITS.recount * 0.75);
const RENEWALS_PER_HOUR = minutes(60) / (HABITS.ttl - HABITS.margin);
/** etcd's own interval is ten minutes. */
const PROGRESS_PER_HOUR = 6;

/** Of one daemon in the time of the measurement. */
interface Traffic {
  readonly bytes: number;
  /** Until then: from the first request to the watch. */
  readonly start: number;
  readonly requests: number;
  /** Of the censuses, and of the renewals. */
  readonly ranges: number;
  readonly transactions: number;
}

/** Intervals that are the same for a census and for a renewal. */
const OFTEN = seconds(1);
const QUIET = { ttl: NEVER, margin: minutes(1), recount: NEVER };

export async function measureSteady(
  { present, seconds: duration }: ScaleOptions,
  signal: AbortSignal,
): Promise<readonly Measured[]> {
  const time = seconds(duration);
  const inQuiet = (habits: typeof HABITS) => measureTraffic(habits, time, [], present, signal);
  const pings = await inQuiet(QUIET);
  const census = perTime(await inQuiet({ ...QUIET, recount: OFTEN }), pings, ({ ranges }) => ranges);
  const renewing = { ...QUIET, ttl: seconds(60), margin: seconds(59) };
  const renewal = perTime(await inQuiet(renewing), pings, ({ transactions }) => transactions);
  const flags = ["--experimental-watch-progress-notify-interval=1s"];
  const progressing = await measureTraffic(QUIET, time, flags, present, signal);
  const progress = (progressing.bytes - pings.bytes) / duration;
  const pingsPerHour = (pings.bytes / duration) * 3600;
  const bytes =
    pingsPerHour + CENSUSES_PER_HOUR * census.bytes + RENEWALS_PER_HOUR * renewal.bytes + PROGRESS_PER_HOUR * progress;
  const requests = CENSUSES_PER_HOUR * census.requests + RENEWALS_PER_HOUR * renewal.requests;
  return [
    figure("a start, up to its watch", pings.start, "bytes"),
    figure("a census", census.bytes, "bytes"),
    figure("requests of a census", census.requests, ""),
    figure("a renewal", renewal.bytes, "bytes"),
    figure("requests of a renewal", renewal.requests, ""),
    figure("a progress notification", progress, "bytes"),
    figure("pings in an hour", pingsPerHour, "bytes"),
    figure("one daemon in an hour", bytes, "bytes"),
    figure("requests of one daemon in an hour", requests, ""),
    ...HOSTS.flatMap((hosts) => [
      figure(`${count(hosts)} hosts`, (bytes * hosts) / 3600, "bytes/s"),
      figure(`requests of ${count(hosts)} hosts`, (requests * hosts) / 3600, "/s"),
    ]),
  ];
}

/** What happens once costs this much more than the pings. */
function perTime(
  traffic: Traffic,
  pings: Traffic,
  times: (traffic: Traffic) => number,
): { readonly bytes: number; readonly requests: number } {
  return { bytes: (traffic.bytes - pings.bytes) / times(traffic), requests: traffic.requests / times(traffic) };
}

async function measureTraffic(
  habits: typeof HABITS,
  duration: Millis,
  flags: readonly string[],
  present: number,
  signal: AbortSignal,
): Promise<Traffic> {
  await using stage = await openStage(NETWORK_CONFIG, flags, signal);
  await stage.write(
    arrivals(0, present).map((arrival) => writeOf(arrival, null)),
    signal,
  );
  const options = { ...fleetOptions(DAEMONS), ...habits, isCounted: true };
  await using fleet = await openFleet(stage.namespace, options, signal);
  await fleet.join(LIMIT, signal);
  await fleet.following(LIMIT, signal);
  const before = { carried: await fleet.carried(signal), metrics: await stage.metrics(signal) };
  await systemClock.sleep(duration, signal);
  const after = { carried: await fleet.carried(signal), metrics: await stage.metrics(signal) };
  const requests = requestsBetween(before.metrics, after.metrics);
  return {
    bytes: (after.carried - before.carried) / DAEMONS,
    start: before.carried / DAEMONS,
    requests: sum(requests) / DAEMONS,
    ranges: (requests.get("KV/Range") ?? 0) / DAEMONS,
    transactions: (requests.get("KV/Txn") ?? 0) / DAEMONS,
  };
}
