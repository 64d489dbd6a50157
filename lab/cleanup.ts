// A run of the lab is its name. Every namespace and directory of a run carries the name, and every process that a run
// leaves behind lives in one of those namespaces. So taking a run down needs no record of what was made: it works after
// any failure, from another process, and twice.
// All of it is synchronous, because the last chance to clean up is the "exit" event.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import type { Brand } from "../src/base/brand.ts";
import { toolEnvironment } from "./run.ts";

/** "fl" and the base-36 process id of its maker, and ".N" for a process's later runs. */
export type RunName = Brand<string, "RunName">;

/** Kernel: the highest process id there can be. */
const HIGHEST_PID = 2 ** 22;
const RUN_NAME = /^fl([0-9a-z]+)(?:\.\d+)?$/;
const NAMESPACES = "/run/netns";
const DIRECTORIES = "/run/flannel-lab";
const KEPT = "kept";

export interface Run extends Disposable {
  readonly name: RunName;
  /** For everything that the run writes. */
  readonly directory: string;
  /** Lets the run outlive this process, until somebody takes it down. */
  keep(): void;
}

/** This file runs from dist/lab. */
export const CLONE = join(import.meta.dirname, "../..");

/** A new run, taken down when disposed of or when this process ends. First removes what dead processes have left. */
export function openRun(): Run {
  for (const name of listRuns()) {
    if (isLeftOver(name)) takeDown(name);
  }
  const name = reserveName();
  const directory = join(DIRECTORIES, name);
  const end = () => takeDown(name);
  const release = () => {
    process.removeListener("exit", end);
    for (const signal of SIGNALS) process.removeListener(signal, exitOnSignal);
  };
  process.on("exit", end);
  for (const signal of SIGNALS) process.on(signal, exitOnSignal);
  return {
    name,
    directory,
    keep: () => {
      writeFileSync(join(directory, KEPT), CLONE);
      release();
    },
    [Symbol.dispose]: () => {
      if (isKept(name)) return;
      end();
      release();
    },
  };
}

/**
 * All runs of which anything is there, of living and of dead processes. A run's directory is the first thing that it
 * makes and the last that goes; a namespace that only looks like one of ours is left alone.
 */
export function listRuns(): readonly RunName[] {
  return listDirectory(DIRECTORIES).flatMap((name) => (ownerOf(name) === null ? [] : [name as RunName]));
}

export function isKept(name: RunName): boolean {
  return existsSync(join(DIRECTORIES, name, KEPT));
}

/** The clone of this repository from which a kept run was started. */
export function cloneOf(name: RunName): string {
  return readFileSync(join(DIRECTORIES, name, KEPT), "utf8");
}

/** The process id in the name; null when it is not the name of a run. */
export function ownerOf(name: string): number | null {
  const pid = Number.parseInt(RUN_NAME.exec(name)?.[1] ?? "", 36);
  return pid > 0 && pid <= HIGHEST_PID ? pid : null;
}

/** Ends every process of the run and removes its namespaces and files. Throws when something stays. */
export function takeDown(name: RunName): void {
  const namespaces = listDirectory(NAMESPACES).filter((entry) => entry.startsWith(`${name}-`));
  killProcessesIn(namespaces);
  const input = namespaces.map((namespace) => `netns del ${namespace}\n`).join("");
  if (input) spawnSync("ip", ["-force", "-batch", "-"], { input, env: toolEnvironment() });
  const left = namespaces.filter((namespace) => existsSync(join(NAMESPACES, namespace)));
  if (left.length > 0) throw new Error(`cannot remove the network namespaces ${left.join(" ")}`);
  rmSync(join(DIRECTORIES, name), { recursive: true, force: true });
}

function isLeftOver(name: RunName): boolean {
  const owner = ownerOf(name);
  return owner !== null && !isKept(name) && !existsSync(`/proc/${owner}`);
}

/** Making the directory is what reserves the name. */
function reserveName(): RunName {
  mkdirSync(DIRECTORIES, { recursive: true, mode: 0o755 });
  for (let serial = 0; ; serial++) {
    const name = `fl${process.pid.toString(36)}${serial === 0 ? "" : `.${serial}`}`;
    try {
      mkdirSync(join(DIRECTORIES, name));
      return name as RunName;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Node: the default action of a signal skips "exit". Whoever listens for the signal, too, ends the process in order. */
function exitOnSignal(signal: NodeJS.Signals): void {
  if (process.listeners(signal).some((listener) => listener !== exitOnSignal)) return;
  process.exit(128 + constants.signals[signal]);
}

/** Kernel: a killed process takes a moment to leave its namespace, and one that forks may have one more child. */
function killProcessesIn(namespaces: readonly string[]): void {
  const inodes = new Set(namespaces.map((namespace) => inodeOf(join(NAMESPACES, namespace))));
  for (let round = 0; round < 500; round++) {
    const pids = listDirectory("/proc").filter(
      (pid) => /^\d+$/.test(pid) && inodes.has(inodeOf(`/proc/${pid}/ns/net`)),
    );
    if (pids.length === 0) return;
    for (const pid of pids) kill(Number(pid));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

/** NaN, which is in no set of inodes, when the process or the file is gone. */
function inodeOf(path: string): number {
  try {
    return statSync(path).ino;
  } catch {
    return Number.NaN;
  }
}

function listDirectory(path: string): readonly string[] {
  return existsSync(path) ? readdirSync(path) : [];
}
