// When each route appeared in a namespace, by the kernel's own notifications and not by polling, which would take the
// processor away from what is measured.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { toolEnvironment } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";
import { type Millis, seconds } from "../src/base/brand.ts";

export interface RouteMonitor extends Disposable {
  /** Resolves to the time of the `count`-th route since the start or the last reset. */
  reached(count: number, limit: Millis, signal: AbortSignal): Promise<number>;
  reset(): void;
}

export async function openRouteMonitor(namespace: string, device: string, signal: AbortSignal): Promise<RouteMonitor> {
  const env = { ...toolEnvironment(), TZ: "UTC" };
  const words = ["-n", namespace, "-ts", "-rcvbuf", "33554432", "monitor", "route"];
  const child = spawn("ip", words, { env, stdio: ["ignore", "pipe", "inherit"] });
  let times: number[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    const time = /^\[([^\]]+)\] (?!Deleted).* dev (\S+)/.exec(line);
    if (time && time[2] === device) times.push(Date.parse(`${time[1]}Z`));
  });
  await waitFor("ip monitor", () => (child.pid === undefined ? null : true), seconds(5), signal);
  return {
    reached: (count, limit) =>
      waitFor(
        `${count} routes on ${device}, of which ${times.length} are there`,
        () => times[count - 1] ?? null,
        limit,
        signal,
      ),
    reset: () => {
      times = [];
    },
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  };
}
