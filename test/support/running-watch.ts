// A watch over the host that runs on a clock of the test's own until it is disposed.

import { type CapturedLog, createCapturedLog } from "../fakes/captured-log.ts";
import { createFakeClock, type FakeClock } from "../fakes/fake-clock.ts";

interface Watch {
  run(signal: AbortSignal): Promise<void>;
}

interface WatchMeans {
  readonly clock: FakeClock;
  readonly log: CapturedLog;
}

export interface RunningWatch<W extends Watch, H> extends WatchMeans, AsyncDisposable {
  readonly watch: W;
  /** What the watch sees; tests change it. */
  readonly host: H;
}

export function startWatch<W extends Watch, H>(host: H, create: (means: WatchMeans) => W): RunningWatch<W, H> {
  const means = { clock: createFakeClock(), log: createCapturedLog() };
  const stop = new AbortController();
  const watch = create(means);
  const running = watch.run(stop.signal).catch(() => {});
  return {
    ...means,
    watch,
    host,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}
