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
import { type Call, type Endpoint, type GrpcStream, loadEtcdClient } from "./endpoint.ts";
import { cancellation, etcdError, type GrpcFailure, isGrpcFailure } from "./etcd-error.ts";
import { createFailover, type Failover, type FailoverDeps } from "./failover.ts";
import type { TlsMaterial } from "./tls.ts";
import { createTokens } from "./tokens.ts";

/** `op` says what the call is made for, as it stands in an error. */
export interface EtcdTransport extends Disposable {
  range(op: string, request: IRangeRequest, signal: AbortSignal): Promise<IRangeResponse>;
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
}

export interface WatchStream extends Disposable {
  /** To be iterated once. Throws when the stream is lost. */
  readonly responses: AsyncIterable<IWatchResponse>;
}

/** Connects to nothing yet: the first call does. */
export async function openTransport(
  options: EtcdOptions,
  tls: TlsMaterial | null,
  deps: FailoverDeps,
): Promise<EtcdTransport> {
  const openEndpoint = await loadEtcdClient();
  const endpoints = options.endpoints.map((url) => openEndpoint(url, tls));
  const failover = createFailover(endpoints, createTokens(options.auth), deps);
  const unary =
    <Request extends object, Response>(service: "KV" | "Lease", method: string, repeatable: boolean) =>
    (op: string, request: Request, signal: AbortSignal) =>
      failover.attempt(
        { op, repeatable },
        (endpoint, headers, scope) => endpoint.unary<Response>({ service, method, headers }, request, scope),
        signal,
      );
  const grant = unary<object, ILeaseGrantResponse>("Lease", "leaseGrant", false);
  const revoke = unary<object, object>("Lease", "leaseRevoke", true);
  const timeToLive = unary<object, ILeaseTimeToLiveResponse>("Lease", "leaseTimeToLive", true);
  return {
    range: unary<IRangeRequest, IRangeResponse>("KV", "range", true),
    txn: unary<ITxnRequest, ITxnResponse>("KV", "txn", false),
    async grantLease(op, seconds, signal) {
      const { ID, TTL } = await grant(op, { TTL: seconds }, signal);
      return { id: ID, seconds: Number(TTL) };
    },
    revokeLease: async (op, id, signal) => void (await revoke(op, { ID: id }, signal)),
    timeToLive: async (op, id, signal) => Number((await timeToLive(op, { ID: id }, signal)).TTL),
    keepAlive: (op, id, signal) =>
      failover.attempt({ op, repeatable: true }, (...on) => keepAliveOnce(id, ...on), signal),
    openWatch: (op, request, signal) =>
      failover.attempt({ op, repeatable: true }, (...on) => openWatch(op, request, failover, ...on), signal),
    [Symbol.dispose]: () => {
      for (const endpoint of endpoints) endpoint[Symbol.dispose]();
    },
  };
}

async function keepAliveOnce(
  id: string,
  endpoint: Endpoint,
  headers: Call["headers"],
  signal: AbortSignal,
): Promise<number> {
  const call: Call = { service: "Lease", method: "leaseKeepAlive", headers };
  const stream = await endpoint.stream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>(call);
  try {
    const { first } = await exchange(stream, { ID: id }, signal);
    return Number(first.TTL);
  } finally {
    stream.cancel();
  }
}

async function openWatch(
  op: string,
  request: IWatchCreateRequest,
  failover: Failover,
  endpoint: Endpoint,
  headers: Call["headers"],
  signal: AbortSignal,
): Promise<WatchStream> {
  // etcd: with this header a member that has lost its leader ends the stream, rather than fall silent.
  const call: Call = { service: "Watch", method: "watch", headers: { ...headers, hasleader: "true" } };
  const stream = await endpoint.stream<IWatchRequest, IWatchResponse>(call);
  try {
    const { first, rest } = await exchange(stream, { create_request: request }, signal);
    throwIfCancelled(first);
    let onLoss = (failure: GrpcFailure) => {
      failover.leave(endpoint);
      return etcdError(op, endpoint.url, failure);
    };
    return {
      responses: follow(first, rest, (failure) => onLoss(failure)),
      [Symbol.dispose]: () => {
        // What ends because we end it says nothing about the endpoint.
        onLoss = (failure) => etcdError(op, endpoint.url, failure);
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
  errorOf: (failure: GrpcFailure) => Error,
): AsyncGenerator<IWatchResponse> {
  yield first;
  try {
    for (;;) {
      const response = await nextResponse(rest);
      throwIfCancelled(response);
      yield response;
    }
  } catch (error) {
    throw isGrpcFailure(error) ? errorOf(error) : error;
  }
}

/** A watch that was cancelled because its history is gone is not a failure: whoever follows it has to know. */
function throwIfCancelled({ canceled, cancel_reason, compact_revision }: IWatchResponse): void {
  if (canceled && compact_revision === "0") throw cancellation(cancel_reason);
}
