// One etcd endpoint: its connection and the raw calls on it. Of the etcd3 package only the connections and the generated
// stubs are used: its policies repeat what must not be repeated and its watcher loses events.
// A call ends when its signal aborts, and rejects with what gRPC says; deadlines, other endpoints and words for people
// are in transport.ts.

import { addAbortListener, once } from "node:events";
import { connect, isIP } from "node:net";
import type { ConnectionPool, Host } from "etcd3/lib/connection-pool.js";
import { CallFailed, isGrpcFailure } from "./etcd-error.ts";
import { hostPortOf } from "./host-port.ts";
import { allowIpServerNames } from "./ip-server-name.ts";
import type { TlsMaterial } from "./tls.ts";

export type Service = "KV" | "Lease" | "Watch" | "Auth";

export interface Call {
  readonly service: Service;
  readonly method: string;
  /** gRPC metadata. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Endpoint extends Disposable {
  /** "https://10.0.0.1:2379" */
  readonly url: string;
  unary<Response>(call: Call, request: object, signal: AbortSignal): Promise<Response>;
  stream<Request, Response>(call: Call): Promise<GrpcStream<Request, Response>>;
  /**
   * The next call makes a new connection, at once: gRPC's own would wait for its backoff, or for the dead. On a slow one
   * etcd may take longer to show that it is alive.
   */
  reset(pace: Pace): void;
  /** The next call makes a new connection with these; calls that are under way end on the old one. */
  secure(tls: TlsMaterial): void;
  /** The next call makes a new connection, in whatever state the one is that is there. */
  renew(): void;
  /** Resolves when a TCP connection has been made (and closed again); rejects when it cannot, or on abort. */
  knock(signal: AbortSignal): Promise<void>;
}

export type Pace = "quick" | "slow";

/** A bidirectional stream; it lasts until it is cancelled or fails. */
export interface GrpcStream<Request, Response> extends AsyncIterable<Response> {
  write(request: Request): void;
  cancel(): void;
  on(event: "error", listener: (error: Error) => void): void;
}

export type OpenEndpoint = (url: string, tls: TlsMaterial | null) => Endpoint;

/** How long an answer to a ping may take: 5.5 s and 3 s are within the 10 s in which a dead endpoint is to be left. */
const PING_LIMIT: Readonly<Record<Pace, number>> = { quick: 3000, slow: 20_000 };

/**
 * etcd: pings more often than every 5 s are refused, and so are pings on a connection without a call. The watch is a
 * call, and every other call has a deadline.
 */
const CHANNEL_OPTIONS = {
  "grpc.keepalive_time_ms": 5500,
  "grpc.max_receive_message_length": -1,
  // A name with several addresses: not all hosts go to the first one.
  "grpc.service_config": '{"loadBalancingConfig":[{"pick_first":{"shuffleAddressList":true}}]}',
  // Compat: the Go client asks no HTTP proxy, and no TXT record how it should behave.
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
};

/** Loads the etcd client, which takes longer than all the rest of the program. */
export async function loadEtcdClient(): Promise<OpenEndpoint> {
  const [{ ConnectionPool: Pool }, { noop }] = await Promise.all([
    import("etcd3/lib/connection-pool.js"),
    import("cockatiel"),
  ]);
  return (url, tls) => {
    if (tls && isIP(hostPortOf(url).host) !== 0) allowIpServerNames();
    const openPool = ({ pace, tls, era }: Use) =>
      new Pool({
        hosts: url,
        faultHandling: { host: () => noop, global: noop },
        // grpc-js: channels with the same options share a connection, also one that is still being made.
        grpcOptions: { ...CHANNEL_OPTIONS, "grpc.keepalive_timeout_ms": PING_LIMIT[pace], "flanneld.era": era },
        ...credentials(tls),
      });
    return endpointOn(url, tls, openPool);
  };
}

/** Without authorities etcd3 has Node's own list. */
function credentials(tls: TlsMaterial | null): object {
  if (!tls) return {};
  const { ca, client } = tls;
  return { credentials: { rootCertificate: ca, ...(client && { privateKey: client.key, certChain: client.cert }) } };
}

type UnaryMethod = (
  request: object,
  metadata: unknown,
  options: object,
  done: (error: Error | null, response: unknown) => void,
) => { cancel(): void };
type StreamMethod = (metadata: unknown, options: object) => unknown;

/** How a connection is used; one of another era is another connection. */
interface Use {
  readonly pace: Pace;
  readonly tls: TlsMaterial | null;
  readonly era: number;
}

type OpenPool = (use: Use) => ConnectionPool;

function endpointOn(url: string, tls: TlsMaterial | null, openPool: OpenPool): Endpoint {
  const channel = createChannel(tls, openPool);
  return {
    url,
    async unary<Response>(call: Call, request: object, signal: AbortSignal) {
      signal.throwIfAborted();
      return await channel.use(call, async (stubs, metadata) => {
        const client = stubs as Readonly<Record<string, UnaryMethod>>;
        const start = (done: Done) => client[call.method]?.(request, metadata, {}, done);
        return (await untilAnswered(start, signal)) as Response;
      });
    },
    async stream<Request, Response>(call: Call) {
      return await channel.use(call, (stubs, metadata) => {
        const client = stubs as Readonly<Record<string, StreamMethod>>;
        const stream = client[call.method]?.(metadata, {}) as GrpcStream<Request, Response>;
        // An error that arrives while nobody iterates, as after a cancellation, is no news.
        stream.on("error", () => {});
        return stream;
      });
    },
    reset: channel.reset,
    secure: channel.secure,
    renew: channel.renew,
    knock: (signal) => knock(url, signal),
    [Symbol.dispose]: channel.close,
  };
}

/** The connection, which is made anew for another pace, with other credentials, and when it is of no use any more. */
function createChannel(tls: TlsMaterial | null, openPool: OpenPool) {
  let used: Use = { pace: "quick", tls, era: 0 };
  let pool = openPool(used);
  let host: Host | null = null;
  // grpc-js: calls that run on a channel when it is closed go on until they end.
  const replace = (next: Use) => {
    pool.close();
    used = next;
    pool = openPool(used);
    host = null;
  };
  return {
    use: <T>({ service, headers }: Call, call: (stubs: unknown, metadata: unknown) => T | Promise<T>): Promise<T> =>
      pool.withConnection(service, ({ client, metadata, resource }) => {
        host = resource;
        for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
        return call(client, metadata);
      }),
    reset(pace: Pace) {
      // Credentials with a hundred authorities take a while to make.
      if (pace === used.pace) host?.resetAllServices();
      else replace({ ...used, pace });
    },
    secure: (next: TlsMaterial) => replace({ ...used, tls: next }),
    renew: () => replace({ ...used, era: used.era + 1 }),
    close: () => pool.close(),
  };
}

type Done = (error: Error | null, response: unknown) => void;

/** Cancels the call on abort; what gRPC says then is the answer. */
function untilAnswered(start: (done: Done) => { cancel(): void } | undefined, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const running = start((error, response) => {
      listener[Symbol.dispose]();
      if (error) reject(isGrpcFailure(error) ? new CallFailed(error, { cause: error }) : error);
      else resolve(response);
    });
    const listener = addAbortListener(signal, () => running?.cancel());
  });
}

async function knock(url: string, signal: AbortSignal): Promise<void> {
  const socket = connect(hostPortOf(url));
  try {
    await once(socket, "connect", { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    socket.on("error", () => {});
    socket.destroy();
  }
}
