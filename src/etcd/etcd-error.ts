// What gRPC says when a call fails -> the few errors that the rest of the program knows, with a reason that a person can
// read: no stack, no status number, no credentials.

import { FlannelError, isError } from "../base/errors.ts";

/** The fields of grpc-js's ServiceError that count. */
export interface GrpcFailure {
  readonly code: number;
  readonly details: string;
  /** The request was kept back by us. */
  readonly isUnsent?: true;
}

/** The same in a class of its own: etcd3 rewrites what is a plain Error, and loses the code on the way. */
export class CallFailed extends Error implements GrpcFailure {
  readonly code: number;
  readonly details: string;
  readonly isUnsent?: true;

  constructor({ code, details, isUnsent }: GrpcFailure, options?: ErrorOptions) {
    super(details, options);
    this.name = "CallFailed";
    this.code = code;
    this.details = details;
    if (isUnsent) this.isUnsent = true;
  }
}

/** gRPC status codes, as far as anything depends on them. */
const CANCELLED = 1;
const UNKNOWN = 2;
const INVALID_ARGUMENT = 3;
export const DEADLINE_EXCEEDED = 4;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
export const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** What a connection, or something that is no etcd, can be the reason of. All others are etcd's own word. */
const OF_THE_ENDPOINT = new Set([CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE]);

const CODES_BY_NAME: Readonly<Record<string, number>> = {
  InvalidArgument: INVALID_ARGUMENT,
  PermissionDenied: PERMISSION_DENIED,
  Unauthenticated: UNAUTHENTICATED,
};

const LONGEST_REASON = 300;

/** What listens there speaks something else, or is at its end. */
export const ENDED_BEFORE_TLS = "the connection ended before TLS was agreed on";
export const ENDED_BEFORE_HTTP = "something accepted the connection and closed it";

export function isGrpcFailure(error: unknown): error is Error & GrpcFailure {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "details" in error;
}

/** True for etcd's answer, which no other endpoint would give differently. */
export function isDefinitive({ code }: GrpcFailure): boolean {
  return !OF_THE_ENDPOINT.has(code);
}

/** True when the request cannot have reached etcd, so that it may go to another endpoint whatever it does. */
export function wasNotSent({ code, details, isUnsent }: GrpcFailure): boolean {
  if (isUnsent) return true;
  return (
    code === UNAVAILABLE && /^(No connection established|Name resolution failed|Channel closed before)/.test(details)
  );
}

/** True when a fresh token may help: the one that was sent has expired, or auth was switched on after we started. */
export function isTokenFailure({ code, details }: GrpcFailure): boolean {
  if (code === UNAUTHENTICATED) return true;
  return code === INVALID_ARGUMENT && /auth store is old|user name is empty/.test(details);
}

/** etcd: a cluster without authentication refuses to hand out tokens, and needs none. */
export function isAuthNotEnabled({ code, details }: GrpcFailure): boolean {
  return code === FAILED_PRECONDITION && /authentication is not enabled/.test(details);
}

/** etcd: no such user, or another password. */
export function isWrongLogin({ code, details }: GrpcFailure): boolean {
  return code === INVALID_ARGUMENT && /authentication failed/.test(details);
}

/** etcd refused because of who we are; nothing but a person can mend it, but it may mend it while we wait. */
function isDenied({ code, details }: GrpcFailure): boolean {
  if (code === PERMISSION_DENIED || code === UNAUTHENTICATED) return true;
  return code === INVALID_ARGUMENT && /authentication failed|user name is empty|auth store is old/.test(details);
}

/** The TLS handshake has failed: what OpenSSL or Node say of certificates, or of something that speaks no TLS. */
function isHandshake({ code, details }: GrpcFailure, reason: string): boolean {
  return code === UNAVAILABLE && (reason === ENDED_BEFORE_TLS || HANDSHAKE.test(details));
}

const HANDSHAKE = /SSL routines|\bcert(ificate)?\b|wrong version number|packet length too long/i;

/** etcd: it answers, and takes no writes until a person has made room. */
function isFull({ code, details }: GrpcFailure): boolean {
  return code === RESOURCE_EXHAUSTED && /database space exceeded/.test(details);
}

/** How it reads in a list of what each endpoint had to say. */
export function reasonOfEndpoint(error: FlannelError): string {
  if (isError(error, "etcd.handshake")) return `${error.info.endpoints}: ${error.info.reason}`;
  return "reason" in error.info ? String(error.info.reason) : error.message;
}

/**
 * `endpoint` is left out of the reason when that names the address already. `advise` may add to the reason what is to
 * be done about it.
 */
export function etcdError(
  op: string,
  endpoint: string,
  failure: GrpcFailure,
  advise: (failure: GrpcFailure, reason: string) => string = (_, reason) => reason,
): FlannelError {
  const seen = cleanReason(failure.details);
  const reason = advise(failure, seen);
  if (isHandshake(failure, seen)) {
    return new FlannelError("etcd.handshake", { op, reason, endpoints: endpoint }, { cause: failure });
  }
  const authority = endpoint.replace(/^[a-z]+:\/\//, "");
  const info = { op, reason: reason.includes(authority) ? reason : `${endpoint}: ${reason}` };
  return new FlannelError(errorCode(failure), info, { cause: failure });
}

function errorCode(failure: GrpcFailure): "etcd.denied" | "etcd.full" | "etcd.unavailable" {
  if (isDenied(failure)) return "etcd.denied";
  return isFull(failure) ? "etcd.full" : "etcd.unavailable";
}

/** A stream that etcd has ended, as if a call had failed; a cancelled watch has a whole gRPC error in its reason. */
export function cancellation(reason: string): CallFailed {
  const [, name = "", text = reason] = /code = (\w+) desc = (.*)$/s.exec(reason) ?? [];
  const details = text || "etcd has cancelled the watch";
  return new CallFailed({ code: CODES_BY_NAME[name] ?? UNAVAILABLE, details });
}

/** Without what differs from one attempt to the next: a complaint about it would be a new one every time. */
function cleanReason(details: string): string {
  const [line = ""] = details
    .replace(/^No connection established\. Last error: /, "")
    .replace(/ ?Resolution note:.*$/s, "")
    .split("\n");
  const reason = line
    // Node while TLS is agreed on, whichever of them the other side's system makes of it.
    .replace(
      /^(Error: (read ECONNRESET|write EPIPE)|(Error: )?Client network socket disconnected .*?)\.?$/,
      ENDED_BEFORE_TLS,
    )
    // The same of HTTP: grpc-js adds the moment then.
    .replace(/^(read ECONNRESET|write EPIPE|Failed to connect) \(.*\)\.?$/, ENDED_BEFORE_HTTP)
    // grpc-js: the moment at which a connection could not be made.
    .replace(/ ?\(\d{4}-\d\d-\d\dT[\d:.]+Z\)/, "")
    // OpenSSL: the thread, the library and the place in its source.
    .replace(/^[\dA-F]+:error:[\dA-F]+:SSL routines:\w*:([^:]+):.*?(:SSL alert number \d+)?$/, "TLS: $1$2")
    // grpc-js: by us, because nothing came back on it, or for new certificates or another address of this host.
    .replace(/^Channel closed before call started$/, "the connection was given up, and is made anew")
    .replace(/^Error(?: \[\w+\])?: /, "")
    .replace(/^etcdserver: /, "")
    .replace(/[.:] ?$/, "")
    .trim();
  return reason.slice(0, LONGEST_REASON) || "no reason given";
}
