// A port of a machine in the lab, on the loopback of this one, for a browser. The machine's own network is not touched:
// the way in is a unix socket.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { seconds } from "../src/base/brand.ts";
import { toolEnvironment } from "./run.ts";
import { inNamespace, type Machine } from "./topology.ts";
import { waitFor } from "./wait.ts";

export interface Forward extends AsyncDisposable {
  /** On 127.0.0.1. */
  readonly port: number;
}

const LIMIT = seconds(30);

/** `wanted`: the port on this machine, if it is free; else any. */
export async function openForward(
  { namespace, directory }: Machine,
  { port, wanted }: { readonly port: number; readonly wanted: number },
  signal: AbortSignal,
): Promise<Forward> {
  const path = join(directory, `forward-${port}.sock`);
  const words = inNamespace(namespace, [
    process.execPath,
    join(import.meta.dirname, "forward-end.js"),
    path,
    `${port}`,
  ]);
  const [program = "", ...args] = words;
  // In a process group of its own: Ctrl-C is for whoever takes the lab down in order.
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", "ignore", "inherit"],
    env: toolEnvironment(),
  });
  const open = new Set<Socket>();
  const server = createServer((near) => carry(near, path, open));
  const close = async () => {
    server.close();
    for (const socket of open) socket.destroy();
    await stop(child);
  };
  try {
    const look = () => {
      if (hasEnded(child)) throw new Error("the forward into the lab has ended");
      return existsSync(path) || null;
    };
    await waitFor("the forward into the lab", look, LIMIT, signal);
    return { port: await listen(server, wanted), [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function carry(near: Socket, path: string, open: Set<Socket>): void {
  const far = connect(path);
  for (const [socket, other] of [
    [near, far],
    [far, near],
  ] as const) {
    open.add(socket);
    socket.on("error", () => other.destroy());
    socket.on("close", () => {
      open.delete(socket);
      other.destroy();
    });
    socket.pipe(other);
  }
}

async function listen(server: Server, wanted: number): Promise<number> {
  try {
    server.listen(wanted, "127.0.0.1");
    await once(server, "listening");
  } catch (error) {
    if (wanted === 0 || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    return await listen(server, 0);
  }
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : wanted;
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await waitFor("the end of the forward", () => hasEnded(child) || null, LIMIT, new AbortController().signal);
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
