// The firewall on places in memory, by a clock that the test moves.

import { seconds } from "../../src/base/brand.ts";
import { createFirewall } from "../../src/firewall/firewall.ts";
import type { RuleGeneration, WatchRules } from "../../src/firewall/hints.ts";
import type { RuleSet } from "../../src/firewall/rule.ts";
import { createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock } from "../fakes/fake-clock.ts";
import { FakePlace } from "../fakes/fake-place.ts";
import { createFakeRuleHints } from "../fakes/fake-rule-hints.ts";
import { createSeededRandom } from "../fakes/seeded-random.ts";
import { BOTH, rulesOf } from "./firewall.ts";

const RESYNC = seconds(5);

interface StartOptions {
  readonly want?: RuleSet;
  readonly former?: readonly FakePlace[];
  readonly prepare?: (place: FakePlace) => void;
  readonly watchRules?: WatchRules;
  readonly ruleGeneration?: RuleGeneration;
}

export function startFirewall(options: StartOptions = {}) {
  const clock = createFakeClock();
  const log = createCapturedLog();
  const place = new FakePlace("iptables");
  options.prepare?.(place);
  const host = { want: options.want ?? rulesOf(BOTH) };
  const hints = createFakeRuleHints();
  const { watchRules } = { ...hints, ...options };
  const stop = new AbortController();
  const firewall = createFirewall(
    { rules: () => host.want, isOurs: () => true },
    { places: [place], random: true, former: async () => options.former ?? [] },
    RESYNC,
    { clock, log, random: createSeededRandom(1), watchRules, ruleGeneration: options.ruleGeneration ?? (() => null) },
  );
  const running = firewall.run(stop.signal);
  return {
    clock,
    log,
    place,
    host,
    hints,
    firewall,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}
