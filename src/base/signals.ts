// Child signals and deadlines that clean up after themselves. `AbortSignal.any` on a long-lived signal leaks on the
// Node versions that we support (nodejs/node#54614), so loops make a child here and dispose of it every turn.

import { addAbortListener } from "node:events";
import type { Millis } from "./brand.ts";
import type { Clock } from "./clock.ts";

export interface ChildSignal extends Disposable {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}

/** A signal that aborts with its parent, or by itself; disposing of it lets go of the parent. */
export function childSignal(parent: AbortSignal): ChildSignal {
  const controller = new AbortController();
  if (parent.aborted) controller.abort(parent.reason);
  const listener = addAbortListener(parent, () => controller.abort(parent.reason));
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    [Symbol.dispose]: () => listener[Symbol.dispose](),
  };
}

export class DeadlineExceeded extends Error {
  constructor(limit: Millis) {
    super(`no answer within ${limit} ms`);
    this.name = "DeadlineExceeded";
  }
}

/** Runs `work` under a signal that aborts with DeadlineExceeded when the limit passes. */
export async function withDeadline<T>(
  limit: Millis,
  clock: Clock,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  using scope = childSignal(signal);
  using timer = childSignal(signal);
  clock.sleep(limit, timer.signal).then(
    () => scope.abort(new DeadlineExceeded(limit)),
    () => {},
  );
  try {
    return await work(scope.signal);
  } finally {
    timer.abort();
  }
}
