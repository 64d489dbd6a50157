// Pods that ping each other a thousand times a second while something is done to a host between them.

import type { Pod } from "../../lab/cni.ts";
import { startEchoStream } from "../../lab/echo-stream.ts";
import { waitFor } from "../../lab/wait.ts";
import { millis, seconds } from "../../src/base/brand.ts";
import { systemClock } from "../../src/base/clock.ts";

export interface PingedDuring {
  readonly sent: number;
  readonly lost: number;
  /** How long that took which was done. */
  readonly milliseconds: number;
}

/** So that what comes of it later is seen as well. */
const LEAST = seconds(10);
/** An answer is late, not lost, for this long: whoever sends it may have to wait for a processor. */
const LATE = seconds(3);

const { signal } = new AbortController();

/** Pings that begin before `what` is done and go on after it, for ten seconds in all, or for as long as it takes. */
export async function pingDuring(from: Pod, to: Pod, what: () => Promise<void>): Promise<PingedDuring> {
  const route = { namespace: from.namespace, destination: to.address };
  await using stream = startEchoStream({ ...route, interval: millis(1), wait: LATE });
  // The first news come with the first request.
  const first = await stream.take(systemClock.now(), signal);
  const start = systemClock.monotonic();
  const passed = () => systemClock.monotonic() - start;
  await what();
  const milliseconds = Math.round(passed());
  await waitFor("ten seconds", () => passed() >= LEAST || null, LEAST, signal);
  const { sent, lost } = await stream.take(systemClock.now(), signal);
  return { sent: first.sent + sent, lost: first.lost.length + lost.length, milliseconds };
}
