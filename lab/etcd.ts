// A real etcd for a lab: in a namespace or on loopback, with a data directory of its own that goes away with it.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seconds } from "../src/base/brand.ts";
import { attempt, toolEnvironment } from "./run.ts";
import { inNamespace } from "./topology.ts";
import { waitFor } from "./wait.ts";

export interface EtcdOptions {
  /** Where it runs; without one, in the caller's own network. */
  readonly namespace?: string;
  /** What it listens on; default 127.0.0.1. In a namespace the ports are 2379 and 2380, else free ones. */
  readonly address?: string;
  /** For clients, instead of what `address` says: to take the place of another server. */
  readonly port?: number;
  /**
   * Where data and log go, in a run of the lab: its end takes care of the directory and of the process, also when this
   * process dies. Without one, that is done here.
   */
  readonly directory?: string;
  /** Serve the v2 API, too. */
  readonly v2?: boolean;
  readonly tls?: EtcdTls;
  /** As one of several; default alone, under the name "lab". Members are started together: none serves before most do. */
  readonly member?: EtcdMember;
  /** More flags of etcd. */
  readonly flags?: readonly string[];
}

export interface EtcdMember {
  readonly name: string;
  /** Where each member, by its name, listens for the others: "http://127.0.0.1:2380". */
  readonly peers: Readonly<Record<string, string>>;
}

/** Paths of PEM files. With a client CA, clients must show a certificate. */
export interface EtcdTls {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile?: string;
}

export interface EtcdServer extends AsyncDisposable {
  /** "http://127.0.0.1:2379" */
  readonly endpoint: string;
  /** With all that it knows: replace it while the server is stopped to restore another. */
  readonly dataDirectory: string;
  readonly member: EtcdMember;
  /** Ends the server as a crash would; the data stays. */
  stop(): Promise<void>;
  /** Starts it again on the same data and address. */
  start(): Promise<void>;
  /** SIGSTOP: connections stay open, and nobody answers. */
  freeze(): void;
  thaw(): void;
}

/** Kernel: the server then dies with this process however that ends, also where no "exit" event comes. */
export const TIED_TO_PARENT = ["setpriv", "--pdeathsig", "KILL"];

const START_LIMIT = seconds(30);
const STOP_LIMIT = seconds(10);

/** Resolves when the server answers. */
export async function startEtcd(options: EtcdOptions, signal: AbortSignal): Promise<EtcdServer> {
  const { namespace, address = "127.0.0.1", tls } = options;
  const [free, peer] = namespace === undefined ? await freePorts(address) : [2379, 2380];
  const client = options.port ?? free;
  const endpoint = `${tls ? "https" : "http"}://${address}:${client}`;
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "flanneld-etcd-"));
  const dataDirectory = join(directory, "data");
  const member = options.member ?? { name: "lab", peers: { lab: `http://${address}:${peer}` } };
  const command = etcdCommand(options, endpoint, member, dataDirectory);
  const placed = namespace === undefined ? command : inNamespace(namespace, command);
  const words = options.directory === undefined ? [...TIED_TO_PARENT, ...placed] : placed;
  let child: ChildProcess | null = null;
  const end = () => {
    child?.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  };
  if (options.directory === undefined) process.on("exit", end);
  const stop = async () => {
    const server = child;
    server?.kill("SIGKILL");
    await waitFor("the end of etcd", () => (!server || hasEnded(server) ? true : null), STOP_LIMIT, never);
    child = null;
  };
  const start = async () => {
    const server = launch(words, join(directory, "etcd.log"));
    child = server;
    await waitFor(
      `etcd at ${endpoint}`,
      () => answers(server, namespace, `${address}:${client}`, signal),
      START_LIMIT,
      signal,
    );
  };
  const etcd: EtcdServer = {
    endpoint,
    dataDirectory,
    member,
    stop,
    start,
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
    [Symbol.asyncDispose]: async () => {
      await stop();
      process.removeListener("exit", end);
      end();
    },
  };
  try {
    await start();
    return etcd;
  } catch (error) {
    await etcd[Symbol.asyncDispose]();
    throw error;
  }
}

const never = new AbortController().signal;

/** In a process group of its own: Ctrl-C is for whoever takes the lab down in order. */
export function launch([program = "", ...args]: readonly string[], logFile: string): ChildProcess {
  const log = openSync(logFile, "a");
  try {
    return spawn(program, args, { detached: true, stdio: ["ignore", log, log], env: toolEnvironment() });
  } finally {
    closeSync(log);
  }
}

function etcdCommand(
  options: EtcdOptions,
  endpoint: string,
  { name, peers }: EtcdMember,
  directory: string,
): readonly string[] {
  const peer = peers[name] ?? "";
  const { tls, v2 = false, flags = [] } = options;
  const security = tls ? [`--cert-file=${tls.certFile}`, `--key-file=${tls.keyFile}`] : [];
  const clients = tls?.clientCaFile ? [`--trusted-ca-file=${tls.clientCaFile}`, "--client-cert-auth"] : [];
  return [
    "etcd",
    `--name=${name}`,
    `--data-dir=${directory}`,
    `--listen-client-urls=${endpoint}`,
    `--advertise-client-urls=${endpoint}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=${formatMembers(peers)}`,
    "--unsafe-no-fsync",
    `--enable-v2=${v2}`,
    ...security,
    ...clients,
    ...flags,
  ];
}

/** As etcd and etcdctl take them: "m1=http://127.0.0.1:2380,m2=..." */
export function formatMembers(peers: EtcdMember["peers"]): string {
  return Object.entries(peers)
    .map(([name, url]) => `${name}=${url}`)
    .join(",");
}

/** By a TCP connection: with TLS, or with auth, a request would need more than is known here. etcd listens when it serves. */
export async function answers(
  server: ChildProcess,
  namespace: string | undefined,
  hostAndPort: string,
  signal: AbortSignal,
): Promise<true | null> {
  if (hasEnded(server)) throw new Error(`etcd has ended with status ${server.exitCode ?? server.signalCode}`);
  const [host, port] = hostAndPort.split(":");
  const probe = ["bash", "-c", `exec 3<>/dev/tcp/${host}/${port}`];
  const { status } = await attempt(namespace === undefined ? probe : inNamespace(namespace, probe), {}, signal);
  return status === 0 ? true : null;
}

export function hasEnded({ exitCode, signalCode, pid }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null || pid === undefined;
}

/** Two ports that nobody listens on right now. */
export async function freePorts(address: string): Promise<readonly [number, number]> {
  const servers = [createServer(), createServer()];
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.on("error", reject);
          server.listen(0, address, () => {
            const bound = server.address();
            resolve(bound !== null && typeof bound === "object" ? bound.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [ports[0] ?? 0, ports[1] ?? 0];
}
