// The one loop that writes to the kernel. Level-triggered: whatever rings the bell, a pass makes the kernel look like
// the plan. There is no retry anywhere below this file and no "added/removed" handler anywhere.

import { type Millis, millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { createDoorbell, TIMER, waitAtMost, waitOutBurst } from "../base/doorbell.ts";
import { isError } from "../base/errors.ts";
import type { Prefix } from "../base/ip.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { runTasks } from "../base/tasks.ts";
import { createWaiters } from "../base/waiters.ts";
import type { ReconcileOptions } from "./agenda.ts";
import type { KernelNet, NetHint } from "./kernel-net.ts";
import { type PassDeps, runPass } from "./pass.ts";
import type { Plan } from "./plan.ts";
import { createProgress, type Progress, type ReconcileStatus } from "./progress.ts";

export const RECONCILE_DEFAULTS: ReconcileOptions = {
  resync: millis(55_000),
  burst: { quiet: millis(20), latest: millis(100) },
  verify: millis(300),
  verifyLatest: millis(900),
  retryFirst: millis(200),
  retryMax: millis(30_000),
};

export interface Reconciler {
  /** The plan may have changed. */
  poke(): void;
  run(signal: AbortSignal): Promise<void>;
  /** Resolves after a reading that started later than this call and found nothing left to do. */
  converged(signal: AbortSignal): Promise<void>;
  /**
   * Resolves once our own device and addresses are as planned, and every peer of the first plan has been tried: what
   * starts after it finds the others. One bad peer must not delay it.
   */
  ready(signal: AbortSignal): Promise<void>;
  status(): ReconcileStatus;
  /** What has been done since the start, and which wanted objects are not in the kernel. */
  account: Progress["account"];
  missing: Progress["missing"];
}

export interface ReconcileDeps {
  /** The plan as of now, or null while there is none. The same object means that nothing has changed. */
  readonly plan: () => Plan | null;
  readonly kernel: KernelNet;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly pulse?: Pulse;
}

/** For whoever watches over the loop. */
export interface Pulse {
  /** The loop comes round at least this often, also when there is nothing to do. */
  readonly interval: Millis;
  /** It has come round. */
  readonly beat: () => void;
}

export function createReconciler(deps: ReconcileDeps, options: ReconcileOptions = RECONCILE_DEFAULTS): Reconciler {
  const bell = createDoorbell();
  const waiters = createWaiters();
  const progress = createProgress(deps, options);
  const onOwn = (trouble: string | null) => {
    progress.setOwn(trouble);
    waiters.check();
  };
  const loop = async (signal: AbortSignal) => {
    for (;;) {
      const plan = deps.plan();
      const kind = plan && progress.begin(plan);
      if (plan && kind) {
        await act(kind, plan, progress, { kernel: deps.kernel, onOwn }, signal);
        waiters.check();
      }
      deps.pulse?.beat();
      const limit = Math.min(plan ? progress.untilRead() : options.resync, deps.pulse?.interval ?? options.resync);
      const rung = await waitAtMost(millis(limit), bell, deps.clock, signal);
      if (!rung.has(TIMER)) await waitOutBurst(options.burst, bell, deps.clock, signal);
    }
  };
  const listen = async (signal: AbortSignal) => {
    for await (const hint of deps.kernel.hints(signal)) {
      if (!isNews(hint, progress)) continue;
      progress.suspect();
      bell.ring("hint");
    }
  };
  return {
    poke: () => bell.ring("plan"),
    run: (signal) => runTasks({ hints: listen, reconcile: loop }, signal),
    status: progress.status,
    account: progress.account,
    missing: progress.missing,
    ready: (signal) => waiters.until(() => isReady(progress.status()), signal),
    async converged(signal) {
      const reading = progress.demandReading();
      bell.ring("asked");
      await waiters.until(() => progress.lastCleanReading() >= reading, signal);
    },
  };
}

function isReady({ own, passes }: ReconcileStatus): boolean {
  return own === null && passes > 0;
}

async function act(
  kind: "read" | "delta",
  plan: Plan,
  progress: Progress,
  deps: PassDeps,
  signal: AbortSignal,
): Promise<void> {
  try {
    progress.conclude(await runPass(kind, plan, progress.knowledge(), deps, signal));
  } catch (error) {
    // A table that changes faster than it can be read, or no memory for the answer: the kernel is looked at later.
    if (!isError(error, "netlink.errno")) throw error;
    progress.postpone(error.message);
  }
}

/** By the last plan, which tells what is ours: making a new one for each of a thousand hints would be too dear. */
function isNews(hint: NetHint, progress: Progress): boolean {
  const plan = progress.knowledge().attempted;
  return plan !== null && (concerns(hint, plan) || mayClear(hint, progress.status().own));
}

/** Another device may have kept ours from being made, by its name, its VNI or its port, and have gone. */
function mayClear({ reason }: NetHint, trouble: string | null): boolean {
  return trouble !== null && reason === "link";
}

/** Whether a change of this kind on this device can make the kernel differ from the plan. */
function concerns({ dev, reason, over }: NetHint, plan: Plan): boolean {
  const { devices, routeDevices } = plan.scope;
  if (dev === null || devices.includes(dev)) return true;
  if (over !== undefined && destinationsOf(plan).has(over)) return true;
  return routeDevices.includes(dev) && reason !== "neighbour";
}

/** A routing daemon replaces routes by the thousand, and none of them may be looked for among thousands of peers. */
const destinations = new WeakMap<Plan, ReadonlySet<Prefix>>();

function destinationsOf(plan: Plan): ReadonlySet<Prefix> {
  const known = destinations.get(plan);
  if (known) return known;
  const made = new Set(plan.want.flatMap((object) => (object.kind === "route" ? [object.dst] : [])));
  destinations.set(plan, made);
  return made;
}
