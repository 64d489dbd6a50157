// Loaded into a daemon that is measured, before its own code (node --import): how long its event loop has been held up.
// On SIGUSR2 the longest time since the last SIGUSR2 goes to the file that FLANNELD_BENCH_LOOP names, in milliseconds.

import { renameSync, writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

/** Between two looks; a delay counts from when the next one was due. */
const RESOLUTION = 10;

const file = process.env["FLANNELD_BENCH_LOOP"];
if (file !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
  histogram.enable();
  process.on("SIGUSR2", () => {
    const longest = Math.max(0, histogram.max / 1e6 - RESOLUTION);
    histogram.reset();
    writeFileSync(`${file}.new`, String(longest));
    renameSync(`${file}.new`, file);
  });
}
