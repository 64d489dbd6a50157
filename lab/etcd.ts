// A real etcd for a lab: in a namespace or on loopback, with a data directory of its own that goes away with it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServerProcess, freePorts, TIED_TO_PARENT } from "./server-process.ts";
import { inNamespace } from "./topology.ts";

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
  /** It has been started, and neither stopped nor frozen since. */
  serves(): boolean;
}

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
  const listen = `${address}:${client}`;
  const logFile = join(directory, "etcd.log");
  const server = createServerProcess({ name: "etcd", command: words, logFile, listen, namespace });
  const end = () => {
    server.kill();
    rmSync(directory, { recursive: true, force: true });
  };
  if (options.directory === undefined) process.on("exit", end);
  const etcd: EtcdServer = {
    endpoint,
    dataDirectory,
    member,
    stop: server.stop,
    start: () => server.start(signal),
    freeze: server.freeze,
    thaw: server.thaw,
    serves: server.serves,
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      process.removeListener("exit", end);
      end();
    },
  };
  try {
    await etcd.start();
    return etcd;
  } catch (error) {
    await etcd[Symbol.asyncDispose]();
    throw error;
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
