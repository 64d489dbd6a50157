// A command's way to etcd: opened for it, closed behind it, and with a limit to every wait. A daemon waits for etcd as
// long as it takes; a person wants to know.

import type { Millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { FlannelError, isError } from "../base/errors.ts";
import { DeadlineExceeded, withDeadline } from "../base/signals.ts";
import type { VerbCall } from "../cli/verbs.ts";
import type { OperatorStore } from "../subnet/operator-store.ts";
import type { OperatorPorts } from "./verb.ts";

/** What commands ask of the store. */
export type OperatorCalls = Pick<
  OperatorStore,
  | "config"
  | "v2NetworkConfig"
  | "list"
  | "putConfig"
  | "reserve"
  | "setTerm"
  | "timeLeft"
  | "refusal"
  | "remove"
  | "removeBad"
>;

/**
 * Throws `etcd.unavailable` when an answer takes longer than the call allows, and `file.unreadable` rather than go to
 * another etcd than the service's.
 */
export async function withStore<T>(
  call: VerbCall,
  { openStore, clock }: OperatorPorts,
  work: (store: OperatorCalls) => Promise<T>,
): Promise<T> {
  const { etcd, timeout, unreadable } = call;
  if (unreadable) {
    const reason = `${unreadable.reason}; become root, or say with --etcd-endpoints where etcd is`;
    throw new FlannelError("file.unreadable", { path: unreadable.path, purpose: "the service's settings in", reason });
  }
  await using store = await openStore(etcd);
  try {
    return await work(limited(store, timeout, etcd.endpoints, clock));
  } catch (error) {
    throw withNamer(error, call);
  }
}

/** Whoever has named no endpoints wonders which ones these are. */
function withNamer(error: unknown, { namedBy }: VerbCall): unknown {
  const namer =
    namedBy === null
      ? "these endpoints are the default: --etcd-endpoints names others"
      : `the endpoints are those of ${namedBy}`;
  for (const code of ["etcd.unavailable", "etcd.handshake"] as const) {
    if (!isError(error, code)) continue;
    return new FlannelError(code, { ...error.info, reason: `${error.info.reason}; ${namer}` }, { cause: error });
  }
  return error;
}

function limited(store: OperatorStore, limit: Millis, endpoints: readonly string[], clock: Clock): OperatorCalls {
  const within = createLimit(limit, endpoints, clock);
  const reading = within("reading", "");
  const writing = within("writing", "; whether it was written is not known: look before you try again");
  return {
    config: (signal) => reading((scope) => store.config(scope), signal),
    v2NetworkConfig: (signal) => reading((scope) => store.v2NetworkConfig(scope), signal),
    list: (signal) => reading((scope) => store.list(scope), signal),
    timeLeft: (lease, signal) => reading((scope) => store.timeLeft(lease, scope), signal),
    refusal: (signal) => reading((scope) => store.refusal(scope), signal),
    putConfig: (text, view, signal) => writing((scope) => store.putConfig(text, view, scope), signal),
    reserve: (subnet, attrs, view, signal) => writing((scope) => store.reserve(subnet, attrs, view, scope), signal),
    setTerm: (lease, ttl, signal) => writing((scope) => store.setTerm(lease, ttl, scope), signal),
    removeBad: (key, signal) => writing((scope) => store.removeBad(key, scope), signal),
    remove: (lease, signal) => writing((scope) => store.remove(lease, scope), signal),
  };
}

function createLimit(limit: Millis, endpoints: readonly string[], clock: Clock) {
  return (op: string, doubt: string) =>
    async <T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> => {
      try {
        return await withDeadline(limit, clock, signal, (scope) => untilAnswered(work, doubt === "", scope));
      } catch (error) {
        if (!(error instanceof DeadlineExceeded)) throw error;
        const reason = `no answer within ${limit / 1000} s from ${endpoints.join(", ")} (--timeout waits longer)${doubt}`;
        throw new FlannelError("etcd.unavailable", { op, reason });
      }
    };
}

/** An endpoint that says nothing is given up after some seconds; the person may have allowed more. */
async function untilAnswered<T>(
  work: (signal: AbortSignal) => Promise<T>,
  isRepeatable: boolean,
  signal: AbortSignal,
): Promise<T> {
  for (;;) {
    try {
      return await work(signal);
    } catch (error) {
      const isSilent = isError(error, "etcd.unavailable") && error.info.reason.includes("no answer within");
      if (!isSilent || !isRepeatable || signal.aborted) throw error;
    }
  }
}

/** The full key, for people. */
export function configKey({ etcd }: VerbCall): string {
  return `${etcd.prefix.replace(/\/+$/, "")}/config`;
}
