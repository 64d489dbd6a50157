// Hints about forwarding that the test gives.

import { createDoorbell } from "../../src/base/doorbell.ts";
import type { ForwardingHint, WatchForwarding } from "../../src/net/forwarding-hint.ts";

export interface FakeForwardingHints {
  readonly watchForwarding: WatchForwarding;
  tell(hint: ForwardingHint): void;
}

export function createFakeForwardingHints(): FakeForwardingHints {
  const bell = createDoorbell();
  const pending: ForwardingHint[] = [];
  return {
    tell(hint) {
      pending.push(hint);
      bell.ring("hint");
    },
    async *watchForwarding(signal) {
      while (!signal.aborted) {
        await bell.wait(signal).catch(() => {});
        yield* pending.splice(0);
      }
    },
  };
}
