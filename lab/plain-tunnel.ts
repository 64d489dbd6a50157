// The far end of a udp tunnel as the simplest program has it (plain-tunnel.c), which on the wire is like the Go daemon.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { seconds } from "../src/base/brand.ts";
import { compiledProgram } from "./compiled.ts";
import { inNamespace } from "./topology.ts";
import { waitFor } from "./wait.ts";

export interface PlainTunnel {
  readonly device: string;
  readonly mtu: number;
  /** Of the socket. */
  readonly address: string;
  readonly port: number;
  /** "10.5.7.0/24=192.168.77.12" for each peer; they have the same port. */
  readonly peers: readonly string[];
}

/** Resolves once the device is there, which then has no address and is down. It goes with the process. */
export async function startPlainTunnel(
  namespace: string,
  { device, mtu, address, port, peers }: PlainTunnel,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  return await start(inNamespace(namespace, [program(), device, `${mtu}`, address, `${port}`, ...peers]), signal);
}

/** Has a TUN device that is not persistent, in the namespace or in the caller's own network. */
export async function holdTun(namespace: string | null, device: string, signal: AbortSignal): Promise<AsyncDisposable> {
  const command = [program(), device];
  return await start(namespace === null ? command : inNamespace(namespace, command), signal);
}

function program(): string {
  return compiledProgram("plain-tunnel");
}

async function start(command: readonly string[], signal: AbortSignal): Promise<AsyncDisposable> {
  const [file = "", ...args] = command;
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  const kill = () => void child.kill("SIGKILL");
  process.on("exit", kill);
  const said: string[] = [];
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on("line", (line) => said.push(line));
  const end = async () => {
    process.removeListener("exit", kill);
    kill();
    await waitFor("the end of the tunnel", () => (hasEnded(child) ? true : null), seconds(10), signal);
  };
  const look = () => {
    if (said.includes("ready")) return true;
    if (hasEnded(child)) throw new Error(`the tunnel ended: ${said.join("; ")}`);
    return null;
  };
  try {
    await waitFor("the tunnel's device", look, seconds(10), signal);
  } catch (error) {
    await end();
    throw error;
  }
  return { [Symbol.asyncDispose]: end };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
