// Leases that come, go and change all the time, one by one, at a steady rate.

import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { arrivals, churn, type PeerChange } from "../peer-leases.ts";
import { cpuMillis, residentMegabytes, watchMemory } from "../processes.ts";
import { figure, type Measured, spread } from "./figures.ts";
import type { ScaleOptions } from "./options.ts";
import { type Overlay, requestsOfDaemons } from "./overlay.ts";
import { countDifferences, peersAfter, timesProgrammed } from "./programmed.ts";
import { startWithPeers } from "./running.ts";

export async function measureChurn(
  { present, settle, rate, churn: duration }: ScaleOptions,
  overlay: Overlay,
  signal: AbortSignal,
): Promise<readonly Measured[]> {
  const daemon = await startWithPeers(present, settle, overlay, signal);
  const changes = churn(present, rate * duration);
  using monitor = await overlay.monitor(signal);
  const before = await overlay.metrics(signal);
  const memoryBefore = residentMegabytes(daemon.pid);
  using memory = watchMemory(daemon.pid, signal);
  const cpuBefore = cpuMillis(daemon.pid);
  const began = systemClock.monotonic();
  await overlay.loopDelay(daemon, signal);
  const { sent } = await overlay.write(changes, rate, signal);
  const times = await timesProgrammed(monitor, changes, sent, signal);
  const delays = times.map((at, index) => at - (sent[index] ?? at));
  const delaysOf = (isMeant: (change: PeerChange) => boolean) =>
    changes.flatMap((change, index) => (isMeant(change) ? (delays[index] ?? Number.NaN) : []));
  const share = (cpuMillis(daemon.pid) - cpuBefore) / (systemClock.monotonic() - began);
  const stalled = await overlay.loopDelay(daemon, signal);
  const requests = requestsOfDaemons(before, await overlay.metrics(signal));
  const differences = await countDifferences(overlay, peersAfter([...arrivals(0, present), ...changes]), signal);
  await systemClock.sleep(seconds(settle), signal);
  const settled = residentMegabytes(daemon.pid);
  return [
    ...spread(
      "a host that comes or changes, sent to programmed",
      delaysOf(({ after }) => after !== null),
      "ms",
    ),
    // Of these, 2 s are the time that the daemon waits for others to go with it (departed-peers.ts).
    ...spread(
      "a host that goes, sent to removed",
      delaysOf(({ after }) => after === null),
      "ms",
    ),
    figure("event loop held up at most", stalled, "ms"),
    figure("share of a processor", share * 100, "%"),
    figure("RssAnon before", memoryBefore, "MiB"),
    figure("RssAnon at its highest", memory.peak(), "MiB"),
    figure(`RssAnon ${settle} s later`, settled, "MiB"),
    figure("requests to etcd", requests, ""),
    figure("differences between kernel and leases", differences, "", 0),
  ];
}
