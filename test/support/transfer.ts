// A large transfer between two pods, in both directions at once, each byte of which is checked; and datagrams.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { run } from "../../lab/run.ts";
import { inNamespace } from "../../lab/topology.ts";
import { waitFor } from "../../lab/wait.ts";
import { seconds } from "../../src/base/brand.ts";

const PROGRAM = join(import.meta.dirname, "transfer-end.js");

/** Ample: it takes a second on a quiet machine. */
const LIMIT = seconds(120);

/** Where an end runs, and the address that the other end calls, of either version. */
export interface TransferEnd {
  readonly namespace: string;
  readonly address: string;
}

/** What both ends say of what they have received, sorted: "datagrams intact" and "stream intact" twice. */
export async function transfer(
  from: TransferEnd,
  to: TransferEnd,
  bytes: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const command = (pod: TransferEnd, role: string) =>
    inNamespace(pod.namespace, [process.execPath, PROGRAM, role, to.address, `${bytes}`]);
  const [file = "", ...args] = command(to, "serve");
  const server = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  const said: string[] = [];
  createInterface({ input: server.stdout }).on("line", (line) => said.push(line));
  const says = (what: RegExp) =>
    waitFor(`${what} from the server`, () => said.find((line) => what.test(line)) ?? null, LIMIT, signal);
  try {
    await says(/^listening$/);
    const { stdout } = await run(command(from, "connect"), { limit: LIMIT }, signal);
    return [...stdout.trim().split("\n"), await says(/^stream/)].toSorted();
  } finally {
    server.kill("SIGKILL");
  }
}

export const INTACT = ["datagrams intact", "stream intact", "stream intact"];
