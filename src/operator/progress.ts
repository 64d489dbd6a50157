// How far long work is, for whoever waits: on a terminal one line that is kept up to date and goes away, elsewhere a line
// now and then.

import { seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { tell } from "./print.ts";
import type { Screen } from "./verb.ts";

export interface Progress {
  /** One of all is done. */
  step(): void;
  end(): void;
}

/** Shorter than this, nobody wonders. */
const PATIENCE = seconds(1);

export function createProgress(
  describe: (done: number, total: number) => string,
  total: number,
  { err, clock }: { readonly err: Screen; readonly clock: Clock },
): Progress {
  const interval = err.isTerminal ? seconds(0.1) : seconds(10);
  let next = clock.monotonic() + (err.isTerminal ? PATIENCE : interval);
  let done = 0;
  let isShown = false;
  return {
    step() {
      done += 1;
      if (clock.monotonic() < next || done === total) return;
      next = clock.monotonic() + interval;
      const text = describe(done, total);
      if (!err.isTerminal) return tell(err, text);
      err.write(`\r${text}\u001b[K`);
      isShown = true;
    },
    end() {
      if (isShown) err.write("\r\u001b[K");
    },
  };
}
