// Follows the interface that carries the overlay while the daemon runs: chooses again, as at the start, whenever the
// kernel says that links, addresses or routes have changed, and at an interval. What is chosen is followed once it has
// stayed the same for a moment. While nothing can be chosen, or the choice must not be followed, the last one stays in
// force: a change never leads to less than there was.

import { type Millis, millis, seconds } from "./base/brand.ts";
import type { Clock } from "./base/clock.ts";
import { createComplaint } from "./base/complaint.ts";
import { createDoorbell, TIMER, waitAtMost } from "./base/doorbell.ts";
import { isError } from "./base/errors.ts";
import { FAMILIES, type Family } from "./base/ip.ts";
import type { Logger } from "./base/log.ts";
import { runTasks } from "./base/tasks.ts";
import type { KernelNet, NetHint } from "./net/kernel-net.ts";
import type { LinkName } from "./net/objects.ts";
import { publicIpsOf, type Underlay } from "./net/underlay.ts";
import { changesOfUnderlay, hasBothFamilies, isMove, lossOf, withFamily } from "./net/underlay-change.ts";

export interface UnderlayFollower {
  /** What is in force. The same object means that nothing has changed. */
  underlay(): Underlay;
  /** Interfaces that were in force before: routes may be left on them. */
  former(): readonly LinkName[];
  /** Why that is not what would be chosen now, as a phrase; null when it is. */
  trouble(): string | null;
  /** What the objection follows from may have changed. */
  recheck(): void;
  run(signal: AbortSignal): Promise<void>;
}

export interface FollowUnderlayDeps {
  readonly kernel: Pick<KernelNet, "hints">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Chooses as at the start. Throws `interface.not-found` and `netlink.errno`. */
  readonly choose: (signal: AbortSignal) => Promise<Underlay>;
  /** The same as if the network had this family alone. */
  readonly chooseOf: (family: Family, signal: AbortSignal) => Promise<Underlay>;
  /** Why a choice must not be followed, as a phrase; null when it may be. May take its time. Throws `netlink.errno`. */
  readonly objection: (next: Underlay, signal: AbortSignal) => Promise<string | null>;
  /** The host sends from another address, whether or not that may be announced. Told before everything else. */
  readonly onMove: () => void;
  /** Another underlay is in force, or the trouble is another. */
  readonly onChange: () => void;
}

/** How often is chosen again although nobody has heard of a change. */
const INTERVAL = seconds(60);
/** A burst of changes is looked at once: a DHCP client takes an address away before it gives the next. */
const BURST = seconds(0.2);
/** How long a choice must stay the same before it is followed; */
const SETTLE = seconds(1);
/** and one of another interface, with which the device is made anew and the host may get another public IP. */
const SETTLE_OTHER_LINK = seconds(5);

export function createUnderlayFollower(first: Underlay, deps: FollowUnderlayDeps): UnderlayFollower {
  const { clock, kernel } = deps;
  const bell = createDoorbell();
  const state = createState(first, deps);
  const chooseLoop = async (signal: AbortSignal) => {
    for (;;) {
      const pause = await state.look(signal);
      const rung = await waitAtMost(pause, bell, clock, signal);
      if (!rung.has(TIMER)) await clock.sleep(BURST, signal);
    }
  };
  const listen = async (signal: AbortSignal) => {
    for await (const hint of kernel.hints(signal)) if (concerns(hint)) bell.ring("hint");
  };
  return {
    underlay: state.underlay,
    former: state.former,
    trouble: state.trouble,
    recheck() {
      if (state.trouble() !== null) bell.ring("recheck");
    },
    run: (signal) => runTasks({ hints: listen, choose: chooseLoop }, signal),
  };
}

/** What happens to neighbours is the reconciler's business. */
function concerns({ reason }: NetHint): boolean {
  return reason !== "neighbour";
}

const WORDS = {
  raised: "the underlay interface is not as it was, and the last choice stays in force",
  settled: "the underlay interface can be used again",
} as const;

function createState(first: Underlay, deps: FollowUnderlayDeps) {
  const { clock, log } = deps;
  const complaint = createComplaint(WORDS, deps);
  let underlay = first;
  let former: readonly LinkName[] = [];
  let trouble: string | null = null;
  const settling = createSettling(clock);
  const seenAt = createPlace(first, deps.onMove);

  const refuse = (reason: string | null) => {
    settling.forget();
    if (reason === null) complaint.settle();
    else complaint.raise(reason);
    if (reason === trouble) return INTERVAL;
    trouble = reason;
    deps.onChange();
    return INTERVAL;
  };
  const follow = (next: Underlay, lack: string | null) => {
    const changed = changesOfUnderlay(underlay, next).join(", ");
    const { link: dev, mtu } = next;
    log.warn("the underlay interface has changed and is followed", { dev, mtu, ...publicIpsOf(next), changed });
    if (next.link !== underlay.link) former = [...new Set([...former, underlay.link])];
    former = former.filter((name) => name !== next.link);
    settling.forget();
    [underlay, trouble] = [next, lack];
    if (lack === null) complaint.settle();
    else complaint.raise(lack);
    deps.onChange();
    return INTERVAL;
  };
  /** Returns after which time to look again at the latest. */
  const look = async (signal: AbortSignal) => {
    const { choice, lack } = await chooseBeside(underlay, deps, signal);
    if (choice === null) return refuse(lack);
    if (changesOfUnderlay(underlay, choice).length === 0) {
      seenAt(choice);
      return refuse(lack);
    }
    const left = settling.left(choice, choice.link === underlay.link ? SETTLE : SETTLE_OTHER_LINK);
    if (left > 0) return left;
    seenAt(choice);
    const objection = lossOf(underlay, choice) ?? (await attempt(() => deps.objection(choice, signal)));
    return objection === null ? follow(choice, lack) : refuse(objection);
  };
  return { look, underlay: () => underlay, former: () => former, trouble: () => trouble };
}

interface Chosen {
  /** Null when nothing can be chosen. */
  readonly choice: Underlay | null;
  /** Why that, or a family of it, stays as it was, as a phrase. */
  readonly lack: string | null;
}

/** Where one family has no address of use it stays as it was, and the other is followed by itself. */
async function chooseBeside(
  before: Underlay,
  { choose, chooseOf }: Pick<FollowUnderlayDeps, "choose" | "chooseOf">,
  signal: AbortSignal,
): Promise<Chosen> {
  const whole = await attempt(() => choose(signal));
  const lack = typeof whole === "string" ? whole : lossOf(before, whole);
  if (lack !== null && hasBothFamilies(before)) {
    for (const family of FAMILIES) {
      const one = await attempt(() => chooseOf(family, signal));
      const choice = typeof one === "string" ? null : withFamily(before, one, family);
      if (choice !== null && isGain(before, choice)) return { choice, lack };
    }
  }
  return typeof whole === "string" ? { choice: null, lack } : { choice: whole, lack: null };
}

function isGain(before: Underlay, choice: Underlay): boolean {
  return lossOf(before, choice) === null && changesOfUnderlay(before, choice).length > 0;
}

interface Settling {
  /** For how long the choice must still stay the same before it may be followed; 0 once it has. */
  left(choice: Underlay, limit: Millis): Millis;
  forget(): void;
}

function createSettling(clock: Clock): Settling {
  let candidate: { readonly underlay: Underlay; readonly since: number } | null = null;
  return {
    left(choice, limit) {
      const now = clock.monotonic();
      if (!candidate || changesOfUnderlay(candidate.underlay, choice).length > 0) {
        candidate = { underlay: choice, since: now };
      }
      return millis(Math.max(0, candidate.since + limit - now));
    },
    forget() {
      candidate = null;
    },
  };
}

/** Told from where the host sends, and tells when that is from elsewhere than last time. */
function createPlace(first: Underlay, onMove: () => void): (now: Underlay) => void {
  let place = first;
  return (now) => {
    const moved = isMove(place, now);
    place = now;
    if (moved) onMove();
  };
}

/** What was asked for, or why it cannot be told now: links that change while they are read are looked at again. */
async function attempt<T>(ask: () => Promise<T>): Promise<T | string> {
  try {
    return await ask();
  } catch (error) {
    if (isError(error, "interface.not-found") || isError(error, "netlink.errno")) return error.message;
    throw error;
  }
}
