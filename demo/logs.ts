// Where everybody's logs are, while the demo runs and after it.

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Topology } from "../lab/topology.ts";

export interface LogFile {
  readonly name: string;
  readonly path: string;
}

const LAST_LINES = 8;

/** Those that exist: one flanneld's for each host, and etcd's. */
export function listLogs({ hosts, etcd }: Topology): readonly LogFile[] {
  const logs = [
    ...hosts.map(({ name, directory }) => ({ name, path: join(directory, "flanneld.log") })),
    { name: "etcd", path: join(etcd.directory, "etcd.log") },
  ];
  return logs.filter(({ path }) => existsSync(path));
}

/** Copies the logs to where they outlive the demo; those of an earlier demo go. */
export function saveLogs(topology: Topology, directory: string): readonly LogFile[] {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return listLogs(topology).map(({ name, path }) => {
    const saved = join(directory, `${name}.log`);
    cpSync(path, saved);
    return { name, path: saved };
  });
}

/** The end of each log, under its name. */
export function lastLines(topology: Topology): readonly string[] {
  return listLogs(topology).flatMap(({ name, path }) => {
    const lines = readFileSync(path, "utf8").trimEnd().split("\n").slice(-LAST_LINES);
    return [`log of ${name}:`, ...lines.map((line) => `  ${line}`)];
  });
}
