// The only place where promises run side by side, always under one signal: the first failure stops all.

import { setMaxListeners } from "node:events";
import { childSignal } from "./signals.ts";

export type Task = (signal: AbortSignal) => Promise<void>;

/**
 * Runs all tasks until the signal aborts. On abort a task may resolve, or reject with the signal's reason: both are
 * clean. A task that fails aborts the others and its error is thrown once all have ended; a task that returns before
 * the abort is a bug and treated as one.
 */
export async function runTasks(tasks: Readonly<Record<string, Task>>, signal: AbortSignal): Promise<void> {
  using scope = childSignal(signal);
  // Every task listens to it, and most of what they wait for does.
  setMaxListeners(0, scope.signal);
  let failure: { readonly error: unknown } | null = null;
  const fail = (error: unknown) => {
    failure ??= { error };
    scope.abort(error);
  };
  const supervise = async (name: string, task: Task) => {
    try {
      await task(scope.signal);
      if (!scope.signal.aborted) fail(new Error(`task ${name} returned before it was stopped`));
    } catch (error) {
      if (!scope.signal.aborted) fail(error);
    }
  };
  await Promise.all(Object.entries(tasks).map(([name, task]) => supervise(name, task)));
  const ended = failure as { readonly error: unknown } | null;
  if (ended) throw ended.error;
}

/** The results in the order of the items, never more than `limit` at once. Throws the first failure once all have ended. */
export async function mapInParallel<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, signal: AbortSignal) => Promise<R>,
  signal: AbortSignal,
): Promise<R[]> {
  using scope = childSignal(signal);
  // Node warns of a leak where many listen on one signal; here that is what it is for, and `limit` is how many.
  setMaxListeners(0, scope.signal);
  const results = new Array<R>(items.length);
  const rest = items.entries();
  let failure: { readonly error: unknown } | null = null;
  const takeTurns = async () => {
    for (const [index, item] of rest) {
      if (scope.signal.aborted) return;
      try {
        results[index] = await work(item, scope.signal);
      } catch (error) {
        failure ??= { error };
        scope.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, takeTurns));
  const ended = failure as { readonly error: unknown } | null;
  if (ended) throw ended.error;
  signal.throwIfAborted();
  return results;
}
