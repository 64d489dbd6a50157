// Keeps the model up to date while somebody looks: etcd and the hosts are asked at intervals, by two loops that do not wait
// for each other. While nobody looks nobody is asked.

import { type Millis, millis, seconds } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { isRetryable } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { runTasks } from "../base/tasks.ts";
import { createWaiters } from "../base/waiters.ts";
import { hostIp, type Lease } from "../subnet/lease.ts";
import type { StoreLook } from "./facts.ts";
import { heardStatus, nameOf } from "./heard.ts";
import { askInterval, type HostBook } from "./host-book.ts";
import { buildOverlay, fingerprint } from "./model.ts";
import type { Overlay } from "./overlay.ts";

export interface OverlayWatch {
  /** Somebody looks, and goes on for a while. */
  want(): void;
  /** Resolves to the model as soon as there is one. */
  current(signal: AbortSignal): Promise<Overlay>;
  /** Calls back whenever the model has changed, until disposed of. */
  onChange(listener: (overlay: Overlay) => void): Disposable;
  /** Until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export interface OverlayWatchDeps {
  /** `isSilent`: leases whose host does not say itself how long they last. */
  readonly lookAtStore: (isSilent: (lease: Lease) => boolean, signal: AbortSignal) => Promise<StoreLook>;
  readonly book: HostBook;
  readonly prefix: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** After the last look. A page that is open says that it looks more often than this. */
const WANTED_FOR: Millis = seconds(45);

/** Between two looks at which hosts are due: the model of many is large, and is made and sent anew after each. */
function tick(hosts: number): Millis {
  return millis(askInterval(hosts) / 4);
}

interface State {
  look: StoreLook | null;
  storeTrouble: string | null;
  overlay: Overlay | null;
  shown: string;
  wantedUntil: number;
}

export function createOverlayWatch(deps: OverlayWatchDeps): OverlayWatch {
  const { clock } = deps;
  const listeners = new Set<(overlay: Overlay) => void>();
  const waiters = createWaiters();
  const state: State = { look: null, storeTrouble: null, overlay: null, shown: "", wantedUntil: 0 };
  const untilWanted = (signal: AbortSignal) => waiters.until(() => clock.monotonic() < state.wantedUntil, signal);
  const update = () => {
    const { look, storeTrouble } = state;
    const overlay = buildOverlay({
      now: clock.now(),
      prefix: deps.prefix,
      look,
      storeTrouble,
      answers: deps.book.answers(),
    });
    const shown = fingerprint(overlay);
    if (shown === state.shown) return;
    [state.overlay, state.shown] = [overlay, shown];
    for (const listener of listeners) listener(overlay);
    waiters.check();
  };
  return {
    want() {
      state.wantedUntil = clock.monotonic() + WANTED_FOR;
      waiters.check();
    },
    async current(signal) {
      await waiters.until(() => state.overlay !== null, signal);
      if (state.overlay === null) throw new Error("a model went away");
      return state.overlay;
    },
    onChange(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    run: (signal) =>
      runTasks(
        {
          store: (scope) => watchStore(state, update, untilWanted, deps, scope),
          hosts: (scope) => watchHosts(state, update, untilWanted, deps, scope),
        },
        signal,
      ),
  };
}

type UntilWanted = (signal: AbortSignal) => Promise<void>;

async function watchStore(
  state: State,
  update: () => void,
  untilWanted: UntilWanted,
  { lookAtStore, book, clock, random }: OverlayWatchDeps,
  signal: AbortSignal,
): Promise<void> {
  const isSilent = ({ subnet, attrs }: Lease) =>
    heardStatus(nameOf(subnet), book.answers().get(hostIp(attrs))) === null;
  for (;;) {
    await untilWanted(signal);
    try {
      state.look = await lookAtStore(isSilent, signal);
      state.storeTrouble = null;
    } catch (error) {
      if (signal.aborted || !isRetryable(error)) throw error;
      state.storeTrouble = error.message;
    }
    update();
    const interval = askInterval(state.look?.leases.length ?? 0);
    await clock.sleep(millis(interval - random.integer(0, Math.floor(interval / 5))), signal);
  }
}

async function watchHosts(
  state: State,
  update: () => void,
  untilWanted: UntilWanted,
  { book, clock }: OverlayWatchDeps,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await untilWanted(signal);
    // Before etcd has answered for the first time there is nobody to ask.
    const publicIps = state.look?.leases.map(({ lease }) => hostIp(lease.attrs)) ?? [];
    if ((await book.ask(publicIps, signal)) > 0) update();
    await clock.sleep(tick(publicIps.length), signal);
  }
}
