// The calls of etcd that we use, over etcd3's connection pool and raw stubs. Every call has a deadline, no call is
// repeated here, and errors come out as FlannelError.
// Not etcd3's Watcher, which resumes at the wrong revision, nor its Lease, which renews by itself, nor its default fault
// policies, which repeat what must not be repeated (docs/decisions/0004).

import { addAbortListener } from "node:events";
import type { Etcd3, IKeyValue, IRangeRequest, IRangeResponse, ITxnRequest, ITxnResponse, IWatchResponse } from "etcd3";
import type { EtcdOptions } from "../cli/options.ts";
import { callError } from "./reason.ts";
import { readTlsMaterial, type TlsMaterial } from "./tls.ts";

export type { IKeyValue, IWatchResponse };

/** Longer than any healthy etcd needs, short enough to notice one that hangs. */
const CALL_DEADLINE_MILLIS = 5000;

/** etcd refuses pings that come more often than every 5 s. */
const CHANNEL_OPTIONS = {
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 3000,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.max_receive_message_length": -1,
};

export interface WatchRequest {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
  readonly startRevision: bigint;
}

export interface EtcdTransport extends Disposable {
  range(request: IRangeRequest, signal: AbortSignal): Promise<IRangeResponse>;
  txn(request: ITxnRequest, signal: AbortSignal): Promise<ITxnResponse>;
  /** The id of a new etcd lease. */
  leaseGrant(seconds: number, signal: AbortSignal): Promise<string>;
  leaseRevoke(id: string, signal: AbortSignal): Promise<void>;
  /** Remaining seconds; negative when the lease has expired. */
  leaseTimeToLive(id: string, signal: AbortSignal): Promise<number>;
  /** Extends an etcd lease once; its seconds from now on, 0 when it has expired. */
  leaseKeepAlive(id: string, signal: AbortSignal): Promise<number>;
  /** One watch stream; ends by throwing. */
  watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<IWatchResponse, never>;
}

/** Reads the certificates, connects to nobody yet. Throws `file.unreadable`. */
export async function openTransport(options: EtcdOptions): Promise<EtcdTransport> {
  const tls = await readTlsMaterial(options.tls);
  // Loaded here, because gRPC takes as long to load as everything else together.
  const [{ Etcd3 }, { noop }] = await Promise.all([import("etcd3"), import("cockatiel")]);
  const client = new Etcd3({
    hosts: [...options.endpoints],
    ...credentialsFor(options, tls),
    ...(options.auth ? { auth: { ...options.auth, callOptions: withDeadline } } : {}),
    grpcOptions: CHANNEL_OPTIONS,
    defaultCallOptions: withDeadline,
    faultHandling: { host: () => noop, global: noop },
  });
  return transportOn(client);
}

function withDeadline({ isStream }: { readonly isStream: boolean }) {
  return isStream ? {} : { deadline: deadline() };
}

function deadline(): number {
  return performance.timeOrigin + performance.now() + CALL_DEADLINE_MILLIS;
}

function credentialsFor({ endpoints }: EtcdOptions, { ca, client }: TlsMaterial) {
  if (!endpoints[0]?.startsWith("https://")) return {};
  const own = client ? { privateKey: client.key, certChain: client.cert } : {};
  // gRPC takes the system's authorities when there is no root certificate; etcd3's types do not say so.
  return { credentials: { rootCertificate: ca as Buffer, ...own } };
}

function transportOn(client: Etcd3): EtcdTransport {
  const { kv, leaseClient } = client;
  return {
    range: (request, signal) => call("range", signal, () => kv.range(request)),
    txn: (request, signal) => call("txn", signal, () => kv.txn(request)),
    leaseGrant: async (seconds, signal) =>
      (await call("lease grant", signal, () => leaseClient.leaseGrant({ TTL: seconds }))).ID,
    leaseRevoke: async (id, signal) =>
      void (await call("lease revoke", signal, () => leaseClient.leaseRevoke({ ID: id }))),
    leaseTimeToLive: async (id, signal) =>
      Number(
        (await call("lease time to live", signal, () => leaseClient.leaseTimeToLive({ ID: id, keys: false }))).TTL,
      ),
    leaseKeepAlive: (id, signal) => call("lease keep-alive", signal, () => keepAliveOnce(client, id)),
    watch: (request, signal) => watchOnce(client, request, signal),
    [Symbol.dispose]: () => client.close(),
  };
}

/** Rejects with the signal's reason on abort; what the call brings after that is dropped. */
async function call<T>(op: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, release } = abortOf(signal);
  try {
    return await Promise.race([work(), aborted]);
  } catch (error) {
    signal.throwIfAborted();
    throw callError(op, error);
  } finally {
    release();
  }
}

function abortOf(signal: AbortSignal): { readonly promise: Promise<never>; readonly release: () => void } {
  let listener: Disposable | null = null;
  const promise = new Promise<never>((_, reject) => {
    listener = addAbortListener(signal, () => reject(signal.reason));
  });
  promise.catch(() => {});
  return { promise, release: () => listener?.[Symbol.dispose]() };
}

async function keepAliveOnce({ leaseClient }: Etcd3, id: string): Promise<number> {
  const stream = await leaseClient.leaseKeepAlive({ deadline: deadline() });
  try {
    return await new Promise<number>((resolve, reject) => {
      stream.on("data", ({ TTL }) => resolve(Number(TTL)));
      stream.on("error", reject);
      stream.on("end", () => reject(new Error("the stream ended without an answer")));
      stream.write({ ID: id });
    });
  } finally {
    stream.on("error", () => {});
    stream.cancel();
  }
}

/** The part of etcd3's pool and of a gRPC stub that its public interface does not give: metadata for one stream. */
interface RawPool {
  withConnection<T>(service: "Watch", use: (connection: RawConnection) => T): Promise<T>;
}
interface RawConnection {
  readonly client: { watch(metadata: RawMetadata, options: object): RawWatchStream };
  readonly metadata: RawMetadata;
}
interface RawMetadata {
  clone(): RawMetadata;
  set(key: string, value: string): void;
}
interface RawWatchStream {
  on(event: "data", listener: (response: IWatchResponse) => void): void;
  on(event: "error", listener: (error: Error) => void): void;
  on(event: "end", listener: () => void): void;
  write(request: object): void;
  cancel(): void;
}

/** etcd: with `hasleader` a member that has lost its leader ends the stream instead of staying silent. */
async function openWatchStream(client: Etcd3): Promise<RawWatchStream> {
  const pool = (client.watchClient as unknown as { readonly client: RawPool }).client;
  return pool.withConnection("Watch", (connection) => {
    const metadata = connection.metadata.clone();
    metadata.set("hasleader", "true");
    return connection.client.watch(metadata, {});
  });
}

async function* watchOnce(
  client: Etcd3,
  { key, rangeEnd, startRevision }: WatchRequest,
  signal: AbortSignal,
): AsyncGenerator<IWatchResponse, never> {
  const stream = await call("watch", signal, () => openWatchStream(client));
  const queue: (IWatchResponse | { readonly failure: unknown })[] = [];
  let wake = () => {};
  const push = (item: (typeof queue)[number]) => {
    queue.push(item);
    wake();
  };
  stream.on("data", push);
  stream.on("error", (failure) => push({ failure }));
  stream.on("end", () => push({ failure: new Error("the watch stream ended") }));
  using _listener = addAbortListener(signal, () => push({ failure: signal.reason }));
  try {
    const range = { key, range_end: rangeEnd, start_revision: startRevision.toString(), progress_notify: true };
    stream.write({ create_request: range });
    for (;;) {
      const item = queue.shift();
      if (item === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      } else if ("failure" in item) {
        signal.throwIfAborted();
        throw callError("watch", item.failure);
      } else {
        yield item;
      }
    }
  } finally {
    stream.on("error", () => {});
    stream.cancel();
  }
}
