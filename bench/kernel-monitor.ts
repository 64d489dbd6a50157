// When routes, neighbours and FDB entries came and went on a device, by the kernel's own notifications and not by polling,
// which would take the processor away from what is measured; and which of them are there.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { compiledProgram } from "../lab/compiled.ts";
import { run, toolEnvironment } from "../lab/run.ts";
import { inNamespace } from "../lab/topology.ts";
import { waitFor } from "../lab/wait.ts";
import { type Millis, seconds } from "../src/base/brand.ts";

/** One notification: "+route 10.5.1.0/24", "+neighbour 10.5.1.0 02:..", "-neighbour 10.5.1.0", "+fdb 02:.. 192.0.2.1". */
export interface KernelEvent {
  readonly text: string;
  readonly device: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface KernelMonitor extends Disposable {
  /** Resolves to the time of the `count`-th route since the monitor was opened. */
  reached(count: number, limit: Millis, signal: AbortSignal): Promise<number>;
  /** When the event happened for the first time at or after `since`; null while it has not. */
  timeOf(text: string, since: number): number | null;
}

/** Throws, now or when it is asked, when it cannot see everything that happens. */
export async function openKernelMonitor(
  namespace: string,
  device: string,
  signal: AbortSignal,
): Promise<KernelMonitor> {
  const [program = "", ...args] = inNamespace(namespace, [compiledProgram("kernel-monitor")]);
  const child = spawn(program, args, { env: toolEnvironment(), stdio: ["ignore", "pipe", "inherit"] });
  const end = () => void child.kill("SIGKILL");
  process.on("exit", end);
  const times = new Map<string, number[]>();
  const routes: number[] = [];
  let listening = false;
  createInterface({ input: child.stdout }).on("line", (line) => {
    listening = true;
    const event = parseMonitorLine(line);
    if (event?.device !== device) return;
    const known = times.get(event.text);
    if (known) known.push(event.at);
    else times.set(event.text, [event.at]);
    if (event.text.startsWith("+route ")) routes.push(event.at);
  });
  const alive = <T>(found: T | null): T | null => {
    if (child.exitCode !== null) throw new Error("the monitor of the kernel's events has ended by itself");
    return found;
  };
  await waitFor("the monitor of the kernel's events", () => alive(listening || null), seconds(10), signal);
  return {
    reached: (count, limit, until) =>
      waitFor(`${count} routes on ${device}`, () => alive(routes[count - 1] ?? null), limit, until),
    timeOf: (text, since) => alive(times.get(text)?.find((at) => at >= since) ?? null),
    [Symbol.dispose]: () => {
      process.removeListener("exit", end);
      end();
    },
  };
}

/** A line of lab/kernel-monitor.c; null for one that is no event. */
export function parseMonitorLine(line: string): KernelEvent | null {
  const [, at, sign, device = "", object] = /^(\d+\.\d+) ([+-])(\S*) (.+)$/.exec(line) ?? [];
  return at === undefined ? null : { text: `${sign}${object}`, device, at: Number(at) };
}

/** What peers have on the device, spelt as in events without the sign. */
export async function readKernelObjects(
  namespace: string,
  device: string,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const read = async (...words: readonly string[]): Promise<readonly Record<string, string>[]> =>
    JSON.parse((await run(inNamespace(namespace, words), {}, signal)).stdout || "[]");
  const routes = await read("ip", "-j", "route", "show", "dev", device);
  const neighbours = await read("ip", "-j", "neigh", "show", "dev", device, "nud", "permanent");
  const entries = await read("bridge", "-j", "fdb", "show", "dev", device);
  return new Set([
    ...routes.filter(({ gateway }) => gateway !== undefined).map(({ dst }) => `route ${dst}`),
    ...neighbours.map(({ dst, lladdr }) => `neighbour ${dst} ${lladdr}`),
    ...entries.filter(({ dst }) => dst !== undefined).map(({ mac, dst }) => `fdb ${mac} ${dst}`),
  ]);
}
