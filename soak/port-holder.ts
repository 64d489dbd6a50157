// Another program that has a UDP port of a host.

import { type ChildProcess, spawn } from "node:child_process";
import { inNamespace } from "../lab/topology.ts";
import { waitFor } from "../lab/wait.ts";
import { seconds } from "../src/base/brand.ts";

const LIMIT = seconds(10);

/** Resolves when it has the port. */
export async function holdPort(namespace: string, port: number, signal: AbortSignal): Promise<AsyncDisposable> {
  const script = `require("node:dgram").createSocket("udp4").bind(${port}, () => console.log("bound"));`;
  const [program = "", ...args] = inNamespace(namespace, [process.execPath, "-e", script]);
  // In a process group of its own: Ctrl-C is for whoever takes the lab down in order.
  const child = spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  let isBound = false;
  child.stdout.on("data", () => {
    isBound = true;
  });
  const look = () => {
    if (hasEnded(child)) throw new Error(`UDP port ${port} is taken already`);
    return isBound || null;
  };
  await waitFor(`UDP port ${port}`, look, LIMIT, signal);
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await waitFor(`the end of the holder of UDP port ${port}`, () => hasEnded(child) || null, LIMIT, never);
    },
  };
}

const never = new AbortController().signal;

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
