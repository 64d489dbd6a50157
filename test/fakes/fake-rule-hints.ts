// Hints about firewall rules that the test gives.

import { createDoorbell } from "../../src/base/doorbell.ts";
import type { RuleHint, WatchRules } from "../../src/firewall/hints.ts";

export interface FakeRuleHints {
  readonly watchRules: WatchRules;
  tell(hint: RuleHint): void;
}

export function createFakeRuleHints(): FakeRuleHints {
  const bell = createDoorbell();
  const pending: RuleHint[] = [];
  return {
    tell(hint) {
      pending.push(hint);
      bell.ring("hint");
    },
    async *watchRules(signal) {
      while (!signal.aborted) {
        await bell.wait(signal).catch(() => {});
        yield* pending.splice(0);
      }
    },
  };
}
