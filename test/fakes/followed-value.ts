// A value that others follow: they are told what it is, and each time that it is another.

import { createDoorbell } from "../../src/base/doorbell.ts";

export interface FollowedValue<T> {
  get(): T;
  set(value: T): void;
  /** Nobody is told; the next value is told again. */
  lose(value: T): void;
  /** Whoever follows looks again, although the value is the same. */
  wake(): void;
  /** Until the signal aborts. While `isAway` nothing is told, and afterwards only the last value. */
  follow(isAway: () => boolean, signal: AbortSignal): AsyncGenerator<T>;
}

export function createFollowedValue<T>(first: T): FollowedValue<T> {
  const followers = new Set<() => void>();
  let value = first;
  const wake = () => {
    for (const ring of followers) ring();
  };
  return {
    get: () => value,
    set(next) {
      value = next;
      wake();
    },
    lose(next) {
      value = next;
    },
    wake,
    async *follow(isAway, signal) {
      const bell = createDoorbell();
      const ring = () => bell.ring("changed");
      followers.add(ring);
      try {
        const told: T[] = [];
        while (!signal.aborted) {
          if (!isAway() && (told.length === 0 || told[0] !== value)) {
            told[0] = value;
            yield value;
          }
          // An abort ends the wait; the loop sees it.
          await bell.wait(signal).catch(() => {});
        }
      } finally {
        followers.delete(ring);
      }
    },
  };
}
