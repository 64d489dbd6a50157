// etcd's own gRPC proxy, in front of a lab's etcd: it merges the watches of many clients.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServerProcess, freePorts, TIED_TO_PARENT } from "./server-process.ts";
import { inNamespace } from "./topology.ts";

export interface GrpcProxy extends AsyncDisposable {
  /** For clients, in place of the etcd's own: "http://127.0.0.1:23790" */
  readonly endpoint: string;
  pid(): number;
  /** Ends the proxy as a crash would, and starts another in its place. */
  restart(): Promise<void>;
}

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
  const logFile = join(directory, "proxy.log");
  const server = createServerProcess({ name: "the grpc-proxy", command, logFile, listen, namespace });
  const end = () => {
    server.kill();
    rmSync(directory, { recursive: true, force: true });
  };
  process.on("exit", end);
  const proxy: GrpcProxy = {
    endpoint: `http://${listen}`,
    pid: server.pid,
    restart: async () => {
      await server.stop();
      await server.start(signal);
    },
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      process.removeListener("exit", end);
      end();
    },
  };
  try {
    await server.start(signal);
    return proxy;
  } catch (error) {
    await proxy[Symbol.asyncDispose]();
    throw error;
  }
}
