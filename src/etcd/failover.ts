// Where a call goes: to one endpoint until that fails, then to the next. A call that must not happen twice goes on only
// when it cannot have reached the first. Nothing is tried twice on the same endpoint, and nothing waits.

import { seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { FlannelError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { DeadlineExceeded, withDeadline } from "../base/signals.ts";
import type { Call, Endpoint } from "./endpoint.ts";
import { etcdError, type GrpcFailure, isDefinitive, isGrpcFailure, isTokenFailure, wasNotSent } from "./etcd-error.ts";
import type { Tokens } from "./tokens.ts";

export interface Purpose {
  /** As it stands in an error. */
  readonly op: string;
  /** Doing it twice does no harm. */
  readonly repeatable: boolean;
}

/** One attempt on one endpoint, with the headers that say who we are. */
export type Attempt<T> = (endpoint: Endpoint, headers: Call["headers"], signal: AbortSignal) => Promise<T>;

export interface Failover {
  /** Throws `etcd.denied`, or `etcd.unavailable` with what every endpoint had to say. */
  attempt<T>(purpose: Purpose, attempt: Attempt<T>, signal: AbortSignal): Promise<T>;
  /** The endpoint has failed: calls go elsewhere from now on, and to it by a new connection. */
  leave(endpoint: Endpoint): void;
}

export interface FailoverDeps {
  readonly clock: Clock;
  readonly random: Random;
}

/** For one attempt, the fetching of a token included. */
const ATTEMPT_SECONDS = 5;
const DEADLINE_EXCEEDED = 4;

/** Begins with an endpoint drawn at random, so that the first of the list does not get the whole cluster. */
export function createFailover(endpoints: readonly Endpoint[], tokens: Tokens, deps: FailoverDeps): Failover {
  let current = deps.random.integer(0, endpoints.length - 1);
  const leave = (endpoint: Endpoint) => {
    endpoint.reset();
    if (endpoints[current] === endpoint) current = (current + 1) % endpoints.length;
  };
  return {
    leave,
    async attempt({ op, repeatable }, attempt, signal) {
      const failures = new Map<Endpoint, FlannelError>();
      const rest = [...endpoints.slice(current), ...endpoints.slice(0, current)];
      for (const endpoint of rest) {
        const outcome = await attemptOn(endpoint, attempt, tokens, deps.clock, signal);
        if (outcome.kind === "done") return outcome.value;
        const error = etcdError(op, endpoint.url, outcome.failure);
        if (isDefinitive(outcome.failure)) throw error;
        failures.set(endpoint, error);
        leave(endpoint);
        if (!repeatable && !wasNotSent(outcome.failure)) break;
      }
      throw combined(
        op,
        endpoints.flatMap((endpoint) => failures.get(endpoint) ?? []),
      );
    },
  };
}

type Outcome<T> =
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "failed"; readonly failure: GrpcFailure };

/** Throws what is neither etcd's nor the network's fault. */
async function attemptOn<T>(
  endpoint: Endpoint,
  attempt: Attempt<T>,
  tokens: Tokens,
  clock: Clock,
  signal: AbortSignal,
): Promise<Outcome<T>> {
  try {
    const work = (scope: AbortSignal) => withFreshToken(endpoint, attempt, tokens, scope);
    return { kind: "done", value: await withDeadline(seconds(ATTEMPT_SECONDS), clock, signal, work) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof DeadlineExceeded) {
      const details = `no answer within ${ATTEMPT_SECONDS} s`;
      return { kind: "failed", failure: { code: DEADLINE_EXCEEDED, details } };
    }
    if (isGrpcFailure(error)) return { kind: "failed", failure: error };
    throw error;
  }
}

/** Rejects with the signal's reason once that has aborted: what gRPC says then is only that the call was cancelled. */
async function withFreshToken<T>(
  endpoint: Endpoint,
  attempt: Attempt<T>,
  tokens: Tokens,
  signal: AbortSignal,
): Promise<T> {
  const once = async () => attempt(endpoint, await tokens.headers(endpoint, signal), signal);
  try {
    return await once();
  } catch (error) {
    signal.throwIfAborted();
    if (!isGrpcFailure(error) || !isTokenFailure(error) || !tokens.renew()) throw error;
  }
  try {
    return await once();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** Reads the same whichever endpoint was asked first, so that a complaint about it is not a new one every time. */
function combined(op: string, failures: readonly FlannelError[]): FlannelError {
  const [first] = failures;
  if (!first) throw new Error("etcd was to be called without an endpoint");
  if (failures.length === 1) return first;
  const reasons = failures.map((failure) => ("reason" in failure.info ? failure.info.reason : failure.message));
  return new FlannelError("etcd.unavailable", { op, reason: [...new Set(reasons)].join("; ") });
}
