// etcd's own gRPC proxy, in front of a lab's etcd: it merges the watches of many clients.

import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seconds } from "../src/base/brand.ts";
import { answers, freePorts, hasEnded, launch, TIED_TO_PARENT } from "./etcd.ts";
import { inNamespace } from "./topology.ts";
import { waitFor } from "./wait.ts";

export interface GrpcProxy extends AsyncDisposable {
  /** For clients, in place of the etcd's own: "http://127.0.0.1:23790" */
  readonly endpoint: string;
  pid(): number;
  /** Ends the proxy as a crash would, and starts another in its place. */
  restart(): Promise<void>;
}

const START_LIMIT = seconds(30);
const STOP_LIMIT = seconds(10);

export interface GrpcProxyOptions {
  /** Of the etcd behind it. */
  readonly endpoint: string;
  /** Where it listens, on every address; without one, on a free port of loopback. */
  readonly namespace?: string;
  readonly port?: number;
}

/** Resolves when the proxy answers. */
export async function startGrpcProxy(options: GrpcProxyOptions, signal: AbortSignal): Promise<GrpcProxy> {
  const { endpoint, namespace } = options;
  const port = options.port ?? (await freePorts("127.0.0.1"))[0];
  const directory = mkdtempSync(join(tmpdir(), "flanneld-grpc-proxy-"));
  const listen = `127.0.0.1:${port}`;
  const flags = [
    `--endpoints=${endpoint}`,
    `--listen-addr=${namespace === undefined ? listen : `0.0.0.0:${port}`}`,
    `--data-dir=${join(directory, "data")}`,
  ];
  const words = ["etcd", "grpc-proxy", "start", ...flags];
  const command = [...TIED_TO_PARENT, ...(namespace === undefined ? words : inNamespace(namespace, words))];
  const start = async () => {
    const started = launch(command, join(directory, "proxy.log"));
    child = started;
    const look = () => answers(started, namespace, listen, signal);
    await waitFor(`the grpc-proxy at ${listen}`, look, START_LIMIT, signal);
  };
  const stop = async () => {
    const server = child;
    server?.kill("SIGKILL");
    await waitFor("the end of the grpc-proxy", () => !server || hasEnded(server) || null, STOP_LIMIT, never);
  };
  let child: ChildProcess | null = null;
  const end = () => {
    child?.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  process.on("exit", end);
  const proxy: GrpcProxy = {
    endpoint: `http://${listen}`,
    pid: () => child?.pid ?? 0,
    restart: async () => {
      await stop();
      await start();
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      process.removeListener("exit", end);
      end();
    },
  };
  try {
    await start();
    return proxy;
  } catch (error) {
    await proxy[Symbol.asyncDispose]();
    throw error;
  }
}

const never = new AbortController().signal;
