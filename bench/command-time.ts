// How long a command takes, beside one that does nothing: one after the other in turns, so that what else the machine does
// meets both.

import { run } from "../lab/run.ts";
import { systemClock } from "../src/base/clock.ts";

export interface CommandTime {
  /** Medians, in ms. */
  readonly command: number;
  readonly control: number;
}

export async function timeBeside(
  command: readonly string[],
  control: readonly string[],
  runs: number,
  signal: AbortSignal,
): Promise<CommandTime> {
  const times: { command: number[]; control: number[] } = { command: [], control: [] };
  for (let turn = 0; turn < runs; turn++) {
    times.control.push(await timeOf(control, signal));
    times.command.push(await timeOf(command, signal));
  }
  return { command: median(times.command), control: median(times.control) };
}

async function timeOf(command: readonly string[], signal: AbortSignal): Promise<number> {
  const began = systemClock.monotonic();
  await run([...command], {}, signal);
  return systemClock.monotonic() - began;
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0;
}
