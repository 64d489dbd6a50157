// Processor time that a process has used, as the kernel counts it.

import { readFileSync } from "node:fs";
import { systemClock } from "../../src/base/clock.ts";

/** Kernel: USER_HZ is 100 on every architecture that matters; proc(5), fields 14 and 15. */
const MILLIS_PER_TICK = 10;

function processorMillis(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * MILLIS_PER_TICK;
}

/** From now on; the function tells which share of one core was used since, in percent. */
export function measureProcessor(pid: number): () => number {
  const [used, begun] = [processorMillis(pid), systemClock.monotonic()];
  return () => ((processorMillis(pid) - used) / (systemClock.monotonic() - begun)) * 100;
}
