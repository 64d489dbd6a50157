// How the calls to etcd have ended: the newest, and by method how many, how long they took, and what went wrong.

import type { EpochMillis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { FlannelError, messageOf } from "../base/errors.ts";
import { createHistogram, type HistogramRecorder } from "../base/histogram.ts";
import type { CallCounts, StoreCalls } from "../subnet/lease-store.ts";
import type { Failover } from "./failover.ts";

export interface CallRecord {
  /** Why the newest call has failed; null after one that did not. */
  trouble(): string | null;
  calls(): StoreCalls;
}

export interface RecordingFailover extends Failover, CallRecord {
  /** What a call has begun has failed later: a stream was lost. */
  failed(method: string, error: Error): void;
  /** Something has come on a stream. */
  answered(): void;
}

interface Method {
  readonly seconds: HistogramRecorder;
  readonly errors: Map<string, number>;
}

/** What was stopped by its caller has not ended. */
export function recordingCalls(failover: Failover, { clock }: { readonly clock: Clock }): RecordingFailover {
  const methods = new Map<string, Method>();
  let trouble: string | null = null;
  let lastAnswer: EpochMillis | null = null;
  let lastFailure: StoreCalls["lastFailure"] = null;
  const methodOf = (name: string): Method => {
    const method = methods.get(name) ?? { seconds: createHistogram(), errors: new Map() };
    methods.set(name, method);
    return method;
  };
  const failed = (method: string, error: unknown) => {
    trouble = messageOf(error);
    lastFailure = { at: clock.now(), reason: trouble };
    const { errors } = methodOf(method);
    const code = error instanceof FlannelError ? error.code : "bug";
    errors.set(code, (errors.get(code) ?? 0) + 1);
  };
  return {
    failed,
    answered: () => {
      lastAnswer = clock.now();
    },
    leave: failover.leave,
    giveUp: failover.giveUp,
    trouble: () => trouble,
    calls: () => ({ lastAnswer, lastFailure, methods: [...methods].map(countsOf) }),
    async attempt(purpose, attempt, signal) {
      const { seconds } = methodOf(purpose.method);
      const begin = clock.monotonic();
      try {
        const value = await failover.attempt(purpose, attempt, signal);
        seconds.observe((clock.monotonic() - begin) / 1000);
        [trouble, lastAnswer] = [null, clock.now()];
        return value;
      } catch (error) {
        if (!signal.aborted) failed(purpose.method, error);
        throw error;
      }
    },
  };
}

function countsOf([op, { seconds, errors }]: readonly [string, Method]): CallCounts {
  return { op, seconds: seconds.read(), errors: [...errors].map(([code, count]) => ({ code, count })) };
}
