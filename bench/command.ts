// What benchmarks have in common as commands: progress on standard error, signals, and the exit status of what fails.

import { abortOnSignals } from "../lab/interrupts.ts";
import { systemClock } from "../src/base/clock.ts";
import { messageOf } from "../src/base/errors.ts";
import { createStyle } from "../src/base/terminal-text.ts";

export const FAILED = 2;
export const USAGE = 64;
const INTERRUPTED = 130;

/** Tells of what has been done, or is about to be. */
export type Progress = (line: string) => void;

/** Runs `measure` until it ends or a signal comes; resolves to the exit status. */
export async function runBenchmark(
  measure: (progress: Progress, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const start = systemClock.monotonic();
  const style = createStyle(process.stderr, process.env);
  const progress = (line: string) => {
    const elapsed = ((systemClock.monotonic() - start) / 1000).toFixed(0).padStart(4);
    console.error(`${style.faint(`[${elapsed} s]`)} ${line}`);
  };
  const signal = abortOnSignals();
  try {
    return await measure(progress, signal);
  } catch (error) {
    if (signal.aborted) {
      progress("stopped; all of it is taken down");
      return INTERRUPTED;
    }
    console.error(`bench failed: ${messageOf(error)}`);
    return FAILED;
  }
}
