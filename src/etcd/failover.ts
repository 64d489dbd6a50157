// Where a call goes: to one endpoint until that fails, then to the next. A call that must not happen twice goes on only
// when it cannot have reached the first. Nothing is tried twice on the same endpoint, unless its connection was given up
// meanwhile, and nothing waits.

import { type Millis, millis, seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { FlannelError, isError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { type ChildSignal, childSignal, DeadlineExceeded, withDeadline } from "../base/signals.ts";
import type { Call, Endpoint, Pace } from "./endpoint.ts";
import {
  DEADLINE_EXCEEDED,
  etcdError,
  type GrpcFailure,
  isDefinitive,
  isGrpcFailure,
  isTokenFailure,
  reasonOfEndpoint,
  UNAVAILABLE,
  wasNotSent,
} from "./etcd-error.ts";
import type { Tokens } from "./tokens.ts";

export interface Purpose {
  /** As it stands in an error. */
  readonly op: string;
  /** Of etcd's API, by which calls are counted. */
  readonly method: string;
  /** Doing it twice does no harm. */
  readonly repeatable: boolean;
}

/** One attempt on one endpoint, with the headers that say who we are. */
export type Attempt<T> = (endpoint: Endpoint, headers: Call["headers"], signal: AbortSignal) => Promise<T>;

export interface Failover {
  /** Throws `etcd.denied`, or `etcd.unavailable` or `etcd.handshake` with what every endpoint had to say. */
  attempt<T>(purpose: Purpose, attempt: Attempt<T>, signal: AbortSignal): Promise<T>;
  /** The endpoint has failed: calls go elsewhere from now on, and to it by a new connection. */
  leave(endpoint: Endpoint): void;
  /**
   * What is under way waits for answers that cannot come any more: it begins anew on the same endpoint, or, if it must
   * not happen twice, fails as it would if its answer were lost.
   */
  giveUp(): void;
}

export interface FailoverDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Adds to the reason of a failure what is to be done about it. */
  readonly advise?: (failure: GrpcFailure, reason: string) => string;
}

/**
 * For one attempt, the fetching of a token included. An endpoint that has let one pass gets the longer one, because a
 * slow etcd would otherwise never be heard; but only after it has taken a TCP connection, because a host that is gone
 * is to be found again soon after it is back.
 * Kernel: of a connection that nobody answers, the next packets follow after 1, 3 and 7 s.
 */
const LIMITS: Readonly<Record<Pace, number>> = { quick: 5, slow: 20 };
const KNOCK_SECONDS = 6;
const GIVEN_UP: GrpcFailure = {
  code: UNAVAILABLE,
  details: "the connection was given up: this host's address has changed",
};

/** Begins with an endpoint drawn at random, so that the first of the list does not get the whole cluster. */
export function createFailover(endpoints: readonly Endpoint[], tokens: Tokens, deps: FailoverDeps): Failover {
  let current = deps.random.integer(0, endpoints.length - 1);
  const { ask, paceOf, giveUp } = createAsker(tokens, deps.clock);
  const leave = (endpoint: Endpoint) => {
    endpoint.reset(paceOf(endpoint));
    if (endpoints[current] === endpoint) current = (current + 1) % endpoints.length;
  };
  return {
    leave,
    giveUp,
    async attempt({ op, repeatable }, attempt, signal) {
      const failures = new Map<Endpoint, FlannelError>();
      const rest = [...endpoints.slice(current), ...endpoints.slice(0, current)];
      for (const endpoint of rest) {
        const outcome = await ask(endpoint, repeatable, attempt, signal);
        if (outcome.kind === "done") return outcome.value;
        // The endpoint is not to blame.
        if (outcome.kind === "given up") throw etcdError(op, endpoint.url, GIVEN_UP, deps.advise);
        const error = etcdError(op, endpoint.url, outcome.failure, deps.advise);
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

/** Asks one endpoint, as patiently as that deserves, and anew when it was given up and may be repeated. */
function createAsker(tokens: Tokens, clock: Clock) {
  const paces = new Map<Endpoint, Pace>();
  const paceOf = (endpoint: Endpoint) => paces.get(endpoint) ?? "quick";
  const underWay = createUnderWay();
  const askOnce = async <T>(endpoint: Endpoint, attempt: Attempt<T>, signal: AbortSignal): Promise<Outcome<T>> => {
    const pace = paceOf(endpoint);
    const work = (scope: AbortSignal) => attemptOn(endpoint, pace, attempt, tokens, clock, scope);
    const outcome = await underWay.run(work, signal);
    if (outcome === null) return { kind: "given up" };
    paces.set(endpoint, outcome.pace);
    if (outcome.kind === "done" && outcome.pace !== pace) endpoint.reset(outcome.pace);
    return outcome;
  };
  const ask = async <T>(endpoint: Endpoint, repeatable: boolean, attempt: Attempt<T>, signal: AbortSignal) => {
    for (;;) {
      const outcome = await askOnce(endpoint, attempt, signal);
      if (outcome.kind !== "given up" || !repeatable) return outcome;
    }
  };
  return { ask, paceOf, giveUp: underWay.giveUp };
}

/** With how patient the next attempt on this endpoint is to be. */
type Ended<T> = { readonly pace: Pace } & (
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "failed"; readonly failure: GrpcFailure }
);
type Outcome<T> = Ended<T> | { readonly kind: "given up" };

/** What runs, so that all of it can be given up. */
function createUnderWay() {
  const scopes = new Set<ChildSignal>();
  const givenUp = new Error(GIVEN_UP.details);
  return {
    giveUp() {
      for (const scope of scopes) scope.abort(givenUp);
    },
    /** Null when it was given up. */
    async run<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T | null> {
      using scope = childSignal(signal);
      scopes.add(scope);
      try {
        return await work(scope.signal);
      } catch (error) {
        if (error === givenUp) return null;
        throw error;
      } finally {
        scopes.delete(scope);
      }
    },
  };
}

/** Throws what is neither etcd's nor the network's fault. */
async function attemptOn<T>(
  endpoint: Endpoint,
  pace: Pace,
  attempt: Attempt<T>,
  tokens: Tokens,
  clock: Clock,
  signal: AbortSignal,
): Promise<Ended<T>> {
  if (pace === "slow" && !(await answersKnock(endpoint, clock, signal))) {
    const details = `no connection within ${KNOCK_SECONDS} s`;
    return { kind: "failed", pace, failure: { code: UNAVAILABLE, details } };
  }
  const begin = clock.monotonic();
  try {
    const work = (scope: AbortSignal) => withFreshToken(endpoint, attempt, tokens, scope);
    const value = await withDeadline(seconds(LIMITS[pace]), clock, signal, work);
    return { kind: "done", pace: paceAfter(pace, millis(clock.monotonic() - begin)), value };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof DeadlineExceeded) {
      const details = `no answer within ${LIMITS[pace]} s`;
      return { kind: "failed", pace: "slow", failure: { code: DEADLINE_EXCEEDED, details } };
    }
    if (isGrpcFailure(error)) return { kind: "failed", pace: "quick", failure: error };
    throw error;
  }
}

/** Back to quick only with room to spare: an etcd at the limit would be lost and found in turns. */
function paceAfter(pace: Pace, took: Millis): Pace {
  return pace === "slow" && took > seconds(LIMITS.quick / 4) ? "slow" : "quick";
}

async function answersKnock(endpoint: Endpoint, clock: Clock, signal: AbortSignal): Promise<boolean> {
  try {
    await withDeadline(seconds(KNOCK_SECONDS), clock, signal, (scope) => endpoint.knock(scope));
    return true;
  } catch (error) {
    signal.throwIfAborted();
    // Whoever refuses is not silent: let the call say why.
    return !(error instanceof DeadlineExceeded);
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
  const handshakes = failures.filter((failure) => isError(failure, "etcd.handshake"));
  if (handshakes.length === failures.length) {
    const distinct = new Set(handshakes.map(({ info }) => info.reason));
    const endpoints = handshakes.map(({ info }) => info.endpoints).join(", ");
    return new FlannelError("etcd.handshake", { op, reason: [...distinct].join("; "), endpoints });
  }
  return new FlannelError("etcd.unavailable", { op, reason: [...new Set(failures.map(reasonOfEndpoint))].join("; ") });
}
