// Waiting for a condition that announces itself to nobody: a file, a route, a line in a log.
// Looks often and ends as soon as the condition holds, so nothing that uses it needs to guess a time.

import { type Millis, millis } from "../src/base/brand.ts";
import { systemClock } from "../src/base/clock.ts";

const LOOK_EVERY = millis(20);

/** Resolves to what `look` finds; null means not yet. Throws a sentence with `what` after the limit. */
export async function waitFor<T>(
  what: string,
  look: () => T | null | Promise<T | null>,
  limit: Millis,
  signal: AbortSignal,
): Promise<T> {
  const end = systemClock.monotonic() + limit;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (systemClock.monotonic() >= end) throw new Error(`waited ${limit / 1000} s in vain for ${what}`);
    await systemClock.sleep(LOOK_EVERY, signal);
  }
}
