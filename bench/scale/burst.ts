// Many leases written at once, as fast as etcd takes them, while a daemon runs that has many already.

import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { arrivals } from "../peer-leases.ts";
import { cpuMillis, residentMegabytes, watchMemory } from "../processes.ts";
import { figure, type Measured, spread } from "./figures.ts";
import type { ScaleOptions } from "./options.ts";
import { type Overlay, requestsOfDaemons } from "./overlay.ts";
import { countDifferences, peersAfter, timesProgrammed } from "./programmed.ts";
import { startWithPeers } from "./running.ts";

/** However many they are. */
const CONVERGE_MILLIS = 5000;

export async function measureBurst(
  leases: number,
  { present, settle }: ScaleOptions,
  overlay: Overlay,
  signal: AbortSignal,
): Promise<readonly Measured[]> {
  const daemon = await startWithPeers(present, settle, overlay, signal);
  const burst = arrivals(present, leases);
  using monitor = await overlay.monitor(signal);
  const before = await overlay.metrics(signal);
  const memoryBefore = residentMegabytes(daemon.pid);
  using memory = watchMemory(daemon.pid, signal);
  const cpuBefore = cpuMillis(daemon.pid);
  await overlay.loopDelay(daemon, signal);
  const { sent, answered } = await overlay.write(burst, null, signal);
  const times = await timesProgrammed(monitor, burst, sent, signal);
  const cpu = cpuMillis(daemon.pid) - cpuBefore;
  const stalled = await overlay.loopDelay(daemon, signal);
  const requests = requestsOfDaemons(before, await overlay.metrics(signal));
  const differences = await countDifferences(overlay, peersAfter([...arrivals(0, present), ...burst]), signal);
  await systemClock.sleep(seconds(settle), signal);
  const settled = residentMegabytes(daemon.pid);
  return [
    figure("etcd took all writes within", answered - Math.min(...sent), "ms"),
    figure("last write answered to all programmed", Math.max(0, Math.max(...times) - answered), "ms", CONVERGE_MILLIS),
    ...spread(
      "a lease sent to programmed",
      times.map((at, index) => at - (sent[index] ?? at)),
      "ms",
    ),
    figure("event loop held up at most", stalled, "ms"),
    figure("processor time", cpu / 1000, "s"),
    figure("RssAnon before", memoryBefore, "MiB"),
    figure("RssAnon at its highest", memory.peak(), "MiB"),
    figure(`RssAnon ${settle} s later`, settled, "MiB"),
    figure("requests to etcd", requests, ""),
    figure("differences between kernel and leases", differences, "", 0),
  ];
}
