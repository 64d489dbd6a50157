// What a process costs, as the kernel counts it.

import { readdirSync, readFileSync } from "node:fs";
import { millis } from "../src/base/brand.ts";
import { systemClock } from "../src/base/clock.ts";
import { childSignal } from "../src/base/signals.ts";

/** Anonymous memory in MiB: what the process alone is the reason of. */
export function residentMegabytes(pid: number): number {
  const [, kilobytes = "0"] = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) / 1024;
}

/** Time on a processor of all threads, in milliseconds. Not from /proc/PID/stat, which counts in steps of 10 ms. */
export function cpuMillis(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanos = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]),
  );
  return nanos.reduce((sum, time) => sum + time, 0) / 1e6;
}

export interface MemoryWatch extends Disposable {
  /** The most that was seen since the watch began, in MiB. */
  peak(): number;
}

const LOOK_EVERY = millis(25);

export function watchMemory(pid: number, signal: AbortSignal): MemoryWatch {
  const scope = childSignal(signal);
  let peak = 0;
  const look = async () => {
    while (!scope.signal.aborted) {
      peak = Math.max(peak, residentMegabytes(pid));
      await systemClock.sleep(LOOK_EVERY, scope.signal);
    }
  };
  // It ends with the process, or when nobody wants to know any more.
  look().catch(() => {});
  return {
    peak: () => peak,
    [Symbol.dispose]: () => {
      scope.abort();
      scope[Symbol.dispose]();
    },
  };
}
