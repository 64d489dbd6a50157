// A first start: no device, no record of this host, and so many leases in etcd.

import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { arrivals } from "../peer-leases.ts";
import { cpuMillis, residentMegabytes, watchMemory } from "../processes.ts";
import { figure, type Measured } from "./figures.ts";
import type { ScaleOptions } from "./options.ts";
import { type Overlay, requestsOfDaemons } from "./overlay.ts";
import { countDifferences, peersAfter, timesProgrammed } from "./programmed.ts";

/** As in bench:control, for as many leases as are measured there. */
const PROMISED_LEASES = 5000;
const PROMISED_MILLIS = 1400;

export async function measureStart(
  leases: number,
  { settle }: ScaleOptions,
  overlay: Overlay,
  signal: AbortSignal,
): Promise<readonly Measured[]> {
  const peers = arrivals(0, leases);
  await overlay.write(peers, null, signal);
  using monitor = await overlay.monitor(signal);
  const before = await overlay.metrics(signal);
  const began = systemClock.now();
  const daemon = overlay.startDaemon();
  using memory = watchMemory(daemon.pid, signal);
  await monitor.reached(leases, seconds(120), signal);
  const times = await timesProgrammed(monitor, peers, [], signal);
  const programmed = Math.max(...times) - began;
  const cpu = cpuMillis(daemon.pid);
  await daemon.ready(signal);
  const requests = requestsOfDaemons(before, await overlay.metrics(signal));
  const differences = await countDifferences(overlay, peersAfter(peers), signal);
  await systemClock.sleep(seconds(settle), signal);
  const settled = residentMegabytes(daemon.pid);
  return [
    figure("to all programmed", programmed, "ms", leases === PROMISED_LEASES ? PROMISED_MILLIS : null),
    figure("processor time until then", cpu / 1000, "s"),
    figure("RssAnon at its highest", memory.peak(), "MiB"),
    figure(`RssAnon ${settle} s later`, settled, "MiB"),
    figure("requests to etcd", requests, ""),
    figure("differences between kernel and leases", differences, "", 0),
  ];
}
