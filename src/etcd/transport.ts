// The etcd calls that we use, as functions. It knows nothing of leases and keys, and never waits to try again: a call
// that has failed on every endpoint throws `etcd.unavailable` or `etcd.denied`.

import { addAbortListener } from "node:events";
import type {
  ILeaseGrantResponse,
  ILeaseKeepAliveRequest,
  ILeaseKeepAliveResponse,
  ILeaseTimeToLiveResponse,
  IRangeRequest,
  IRangeResponse,
  ITxnRequest,
  ITxnResponse,
  IWatchCreateRequest,
  IWatchRequest,
  IWatchResponse,
} from "etcd3";
import type { EtcdOptions } from "../cli/options.ts";
import { withAdvice } from "./advice.ts";
import { type CallRecord, type RecordingFailover, recordingCalls } from "./call-record.ts";
import { type Call, type Endpoint, type GrpcStream, loadEtcdClient } from "./endpoint.ts";
import { cancellation, etcdError, type GrpcFailure, isGrpcFailure } from "./etcd-error.ts";
import { createFailover, type Failover, type FailoverDeps } from "./failover.ts";
import { createKeyspace } from "./keyspace.ts";
import { type AskCluster, withinOneCluster } from "./one-cluster.ts";
import type { TlsMaterial } from "./tls.ts";
import { createTokens, type LoginSettings } from "./tokens.ts";
import { createWatches, type Watches } from "./watches.ts";

/** `op` says what the call is made for, as it stands in an error. */
export interface EtcdTransport extends Disposable, CallRecord {
  range(op: string, request: IRangeRequest, signal: AbortSignal): Promise<IRangeResponse>;
  /** Several ranges as of one revision. */
  ranges(op: string, requests: readonly IRangeRequest[], signal: AbortSignal): Promise<ITxnResponse>;
  txn(op: string, request: ITxnRequest, signal: AbortSignal): Promise<ITxnResponse>;
  /** `seconds` is what etcd has granted. */
  grantLease(
    op: string,
    seconds: number,
    signal: AbortSignal,
  ): Promise<{ readonly id: string; readonly seconds: number }>;
  revokeLease(op: string, id: string, signal: AbortSignal): Promise<void>;
  /** Remaining seconds; negative when there is no such lease. */
  timeToLive(op: string, id: string, signal: AbortSignal): Promise<number>;
  /** Extends the lease once by what was granted, which it resolves to; 0 when there is no such lease. */
  keepAlive(op: string, id: string, signal: AbortSignal): Promise<number>;
  /** Resolves when etcd has accepted the watch. */
  openWatch(op: string, request: IWatchCreateRequest, signal: AbortSignal): Promise<WatchStream>;
  /** Connections made from now on use these. Calls and watches that are under way go on. */
  secure(tls: TlsMaterial): void;
  /** Ends the watches on connections from before the last `secure`, so that they are opened again on new ones. */
  renewWatches(): void;
  /** Nothing can arrive on the connections that there are: everything goes on, or ends, on new ones. */
  reconnect(): void;
}

export interface WatchStream extends Disposable {
  /** To be iterated once. Throws when the stream is lost; ends when it is to be opened again. */
  readonly responses: AsyncIterable<IWatchResponse>;
}

/** etcd: a member that has no leader then says so at once, and ends its watches, rather than wait or fall silent. */
const NEEDS_LEADER = { hasleader: "true" };

/** Connects to nothing yet: the first call does. */
export async function openTransport(
  options: EtcdOptions,
  tls: TlsMaterial | null,
  deps: FailoverDeps,
  logins?: LoginSettings,
): Promise<EtcdTransport> {
  const openEndpoint = await loadEtcdClient();
  const endpoints = options.endpoints.map((url) => openEndpoint(url, tls));
  let used = tls;
  const advise = (failure: GrpcFailure, reason: string) =>
    withAdvice(failure, reason, { options, tls: used, now: deps.clock.now() });
  const tokens = createTokens(options.auth, logins);
  const anywhere = createFailover(endpoints, tokens, { ...deps, advise });
  const failover = recordingCalls(withinOneCluster(anywhere, endpoints, askCluster(options), deps.clock), deps);
  const watches = createWatches();
  return {
    ...createUnaryCalls(failover),
    keepAlive: (op, id, signal) =>
      failover.attempt({ op, method: "leaseKeepAlive", repeatable: true }, (...on) => keepAliveOnce(id, ...on), signal),
    openWatch: (op, request, signal) =>
      failover.attempt(
        { op, method: "watch", repeatable: true },
        (...on) => openWatch(op, request, { failover, watches, advise }, ...on),
        signal,
      ),
    secure(next) {
      used = next;
      watches.age();
      for (const endpoint of endpoints) endpoint.secure(next);
    },
    renewWatches: watches.renew,
    reconnect() {
      for (const endpoint of endpoints) endpoint.renew();
      failover.giveUp();
      watches.age();
      watches.renew();
    },
    trouble: failover.trouble,
    calls: failover.calls,
    [Symbol.dispose]: () => {
      for (const endpoint of endpoints) endpoint[Symbol.dispose]();
    },
  };
}

/** Below the prefix, where whoever may do anything here may read. */
function askCluster({ prefix }: EtcdOptions): AskCluster {
  const request: IRangeRequest = { key: createKeyspace(prefix).subnets, count_only: true };
  return async (endpoint, headers, signal) => {
    const call: Call = { service: "KV", method: "range", headers: { ...headers, ...NEEDS_LEADER } };
    const { header } = await endpoint.unary<IRangeResponse>(call, request, signal);
    return { cluster: header.cluster_id, revision: BigInt(header.revision) };
  };
}

/** One request, one answer. What may happen twice is tried on the next endpoint whatever the first has done. */
function createUnaryCalls(
  failover: Failover,
): Pick<EtcdTransport, "range" | "ranges" | "txn" | "grantLease" | "revokeLease" | "timeToLive"> {
  const unary =
    <Request extends object, Response>(service: "KV" | "Lease", method: string, repeatable: boolean) =>
    (op: string, request: Request, signal: AbortSignal) =>
      failover.attempt(
        { op, method, repeatable },
        (endpoint, headers, scope) =>
          endpoint.unary<Response>({ service, method, headers: { ...headers, ...NEEDS_LEADER } }, request, scope),
        signal,
      );
  const readTxn = unary<ITxnRequest, ITxnResponse>("KV", "txn", true);
  const grant = unary<object, ILeaseGrantResponse>("Lease", "leaseGrant", false);
  const revoke = unary<object, object>("Lease", "leaseRevoke", true);
  const timeToLive = unary<object, ILeaseTimeToLiveResponse>("Lease", "leaseTimeToLive", true);
  return {
    range: unary<IRangeRequest, IRangeResponse>("KV", "range", true),
    ranges: (op, requests, signal) =>
      readTxn(op, { success: requests.map((request) => ({ request_range: request })) }, signal),
    txn: unary<ITxnRequest, ITxnResponse>("KV", "txn", false),
    async grantLease(op, seconds, signal) {
      const { ID, TTL } = await grant(op, { TTL: seconds }, signal);
      return { id: ID, seconds: Number(TTL) };
    },
    revokeLease: async (op, id, signal) => void (await revoke(op, { ID: id }, signal)),
    timeToLive: async (op, id, signal) => Number((await timeToLive(op, { ID: id }, signal)).TTL),
  };
}

async function keepAliveOnce(
  id: string,
  endpoint: Endpoint,
  headers: Call["headers"],
  signal: AbortSignal,
): Promise<number> {
  const call: Call = { service: "Lease", method: "leaseKeepAlive", headers: { ...headers, ...NEEDS_LEADER } };
  const stream = await endpoint.stream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>(call);
  try {
    const { first } = await exchange(stream, { ID: id }, signal);
    return Number(first.TTL);
  } finally {
    stream.cancel();
  }
}

interface WatchMeans {
  readonly failover: RecordingFailover;
  readonly watches: Watches;
  readonly advise: (failure: GrpcFailure, reason: string) => string;
}

async function openWatch(
  op: string,
  request: IWatchCreateRequest,
  { failover, watches, advise }: WatchMeans,
  endpoint: Endpoint,
  headers: Call["headers"],
  signal: AbortSignal,
): Promise<WatchStream> {
  const call: Call = { service: "Watch", method: "watch", headers: { ...headers, ...NEEDS_LEADER } };
  const stream = await endpoint.stream<IWatchRequest, IWatchResponse>(call);
  try {
    const { first, rest } = await exchange(stream, { create_request: request }, signal);
    // Given up in this very moment: nobody would end it any more.
    signal.throwIfAborted();
    throwIfCancelled(first);
    const watch = watches.add(() => stream.cancel());
    let fail = (error: Error) => {
      failover.leave(endpoint);
      failover.failed("watch", error);
    };
    const onLoss = (failure: GrpcFailure) => {
      if (watch.isRenewed()) return null;
      const error = etcdError(op, endpoint.url, failure, advise);
      fail(error);
      return error;
    };
    return {
      responses: follow(first, rest, { onLoss, onAnswer: failover.answered }),
      [Symbol.dispose]: () => {
        watch[Symbol.dispose]();
        // What ends because we end it says nothing about the endpoint.
        fail = () => {};
        stream.cancel();
      },
    };
  } catch (error) {
    stream.cancel();
    throw error;
  }
}

interface Exchange<Response> {
  readonly first: Response;
  readonly rest: AsyncIterator<Response>;
}

/** Writes the request and waits for the first response. */
async function exchange<Request, Response>(
  stream: GrpcStream<Request, Response>,
  request: Request,
  signal: AbortSignal,
): Promise<Exchange<Response>> {
  signal.throwIfAborted();
  using _ = addAbortListener(signal, () => stream.cancel());
  stream.write(request);
  const rest = stream[Symbol.asyncIterator]();
  return { first: await nextResponse(rest), rest };
}

async function nextResponse<Response>(responses: AsyncIterator<Response>): Promise<Response> {
  const next = await responses.next();
  if (next.done) throw cancellation("the stream has ended");
  return next.value;
}

async function* follow(
  first: IWatchResponse,
  rest: AsyncIterator<IWatchResponse>,
  { onLoss, onAnswer }: { readonly onLoss: (failure: GrpcFailure) => Error | null; readonly onAnswer: () => void },
): AsyncGenerator<IWatchResponse> {
  yield first;
  try {
    for (;;) {
      const response = await nextResponse(rest);
      throwIfCancelled(response);
      onAnswer();
      yield response;
    }
  } catch (error) {
    const loss = isGrpcFailure(error) ? onLoss(error) : error;
    if (loss !== null) throw loss;
  }
}

/** A watch that was cancelled because its history is gone is not a failure: whoever follows it has to know. */
function throwIfCancelled({ canceled, cancel_reason, compact_revision }: IWatchResponse): void {
  if (canceled && compact_revision === "0") throw cancellation(cancel_reason);
}
