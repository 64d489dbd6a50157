// A benchmark as somebody runs it, and what it leaves behind.

import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline";

export interface BenchRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly progress: readonly string[];
  /** Namespaces and directories of its run that are still there. */
  readonly remains: readonly string[];
}

/** Runs the program to its end. Calls `onLine` for each line of progress. */
export async function runBenchmark(
  main: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  onLine: (line: string, pid: number) => void = () => {},
): Promise<BenchRun> {
  const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];
  const child = spawn(process.execPath, [main, ...args], { stdio, env: { ...process.env, ...env } });
  const pid = child.pid ?? 0;
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  const progress: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    progress.push(line);
    onLine(line, pid);
  });
  const status = await new Promise<number | null>((done) => child.on("close", done));
  return { status, stdout, progress, remains: listRemains(`fl${pid.toString(36)}`) };
}

function listRemains(run: string): readonly string[] {
  const isOfRun = (name: string) => name === run || name.startsWith(`${run}-`) || name.startsWith(`${run}.`);
  return ["/run/netns", "/run/flannel-lab"].flatMap((parent) =>
    existsSync(parent) ? readdirSync(parent).filter(isOfRun) : [],
  );
}
