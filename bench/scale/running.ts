// A daemon that runs with many peers, as it is before something happens to it.

import type { Flanneld } from "../../lab/flanneld.ts";
import { seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";
import { arrivals } from "../peer-leases.ts";
import { LIMIT, type Overlay } from "./overlay.ts";

export async function startWithPeers(
  present: number,
  settle: number,
  overlay: Overlay,
  signal: AbortSignal,
): Promise<Flanneld> {
  await overlay.write(arrivals(0, present), null, signal);
  using monitor = await overlay.monitor(signal);
  const daemon = overlay.startDaemon();
  await daemon.ready(signal);
  await monitor.reached(present, LIMIT, signal);
  // What the start has allocated is collected after a while.
  await systemClock.sleep(seconds(settle), signal);
  return daemon;
}
