// Promises that resolve when a condition holds. Whoever changes what the conditions are about has them looked at.

import { addAbortListener } from "node:events";

export interface Waiters {
  /** Looks at every condition that is waited for. */
  check(): void;
  /** Resolves once the condition holds, which may be now; rejects with the signal's reason on abort. */
  until(condition: () => boolean, signal: AbortSignal): Promise<void>;
}

export function createWaiters(): Waiters {
  const open = new Set<() => void>();
  return {
    check: () => {
      for (const look of [...open]) look();
    },
    until(condition, signal) {
      return new Promise((resolve, reject) => {
        const listener = addAbortListener(signal, () => {
          open.delete(look);
          reject(signal.reason);
        });
        const look = () => {
          if (!condition()) return;
          open.delete(look);
          listener[Symbol.dispose]();
          resolve();
        };
        open.add(look);
        look();
      });
    },
  };
}
