// What the process itself costs, and since when it runs.

import { readdir } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import type { Clock } from "./base/clock.ts";
import type { LogLevel, ProcessStatus } from "./status/snapshot.ts";
import { VERSION } from "./version.ts";

export function createProcessReader(deps: {
  readonly clock: Pick<Clock, "now">;
  readonly level: () => LogLevel;
}): () => Promise<ProcessStatus> {
  const started = new Date(deps.clock.now() - process.uptime() * 1000).toISOString();
  return async () => {
    const begin = performance.now();
    await new Promise<void>((resolve) => setImmediate(resolve));
    const lag = performance.now() - begin;
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    return {
      version: VERSION,
      runtime: `node ${process.versions.node}`,
      pid: process.pid,
      started,
      uptimeSeconds: process.uptime(),
      cpuSeconds: { user: user / 1e6, system: system / 1e6 },
      residentBytes: rss,
      heapUsedBytes: heapUsed,
      openFiles: await countOpenFiles(),
      eventLoopUtilization: performance.eventLoopUtilization().utilization,
      eventLoopLagSeconds: lag / 1000,
      logLevel: deps.level(),
    };
  };
}

/** Less the one with which they are read. */
async function countOpenFiles(): Promise<number | null> {
  try {
    return (await readdir("/proc/self/fd")).length - 1;
  } catch {
    return null;
  }
}
