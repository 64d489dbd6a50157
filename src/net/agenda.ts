// When the next pass is due and of which kind. Pure: the reconciler's loop asks, and acts.

import type { Millis } from "../base/brand.ts";
import type { BurstEnd } from "../base/doorbell.ts";
import { keyOf, type NetKey } from "./objects.ts";
import type { PassResult } from "./pass.ts";
import type { Plan } from "./plan.ts";

export interface ReconcileOptions {
  /** The kernel is read at least this often, however quiet it is. */
  readonly resync: Millis;
  /** After a wake-up a pass waits for this, so that a burst of changes is one pass. */
  readonly burst: BurstEnd;
  /** Changes applied without reading are verified by a reading this long after the last one, */
  readonly verify: Millis;
  /** and at the latest this long after the first one. */
  readonly verifyLatest: Millis;
  readonly retryFirst: Millis;
  readonly retryMax: Millis;
}

export interface Agenda {
  /** When the kernel is read next, on the monotonic clock. */
  readonly readAt: number;
  /** When the oldest change was made that no reading has verified yet. */
  readonly unverifiedSince: number | null;
  /** Readings since the last clean one that found something undone which had been repaired since then already. */
  readonly fights: number;
  /** What has been repaired since the last clean reading. */
  readonly repaired: ReadonlySet<NetKey>;
}

export const FIRST_AGENDA: Agenda = { readAt: 0, unverifiedSince: null, fights: 0, repaired: new Set() };

/** From this many fights on, another agent is undoing us on purpose; each further repair waits twice as long. */
export const FIGHT_LIMIT = 3;

export function duePass(agenda: Agenda, plan: Plan, attempted: Plan | null, now: number): "read" | "delta" | null {
  if (now >= agenda.readAt) return "read";
  return plan === attempted ? null : "delta";
}

/** The agenda after somebody changed the kernel: read at once, unless a reading is due shortly or we are in a fight. */
export function hinted(agenda: Agenda, now: number): Agenda {
  if (agenda.unverifiedSince !== null || agenda.fights >= FIGHT_LIMIT) return agenda;
  return { ...agenda, readAt: Math.min(agenda.readAt, now) };
}

/** `retry` is the delay to wait when something failed. */
export function afterPass(
  agenda: Agenda,
  result: PassResult,
  now: number,
  retry: Millis | null,
  options: ReconcileOptions,
): Agenda {
  const war = warAfter(agenda, result);
  const { fights } = war;
  if (retry !== null) return { readAt: now + retry, unverifiedSince: null, ...war };
  if (result.ops.length === 0 && result.kind === "read") {
    return { readAt: now + options.resync, unverifiedSince: null, ...war };
  }
  if (result.ops.length === 0) return { ...agenda, ...war };
  if (fights >= FIGHT_LIMIT) return { readAt: now + truce(fights, options), unverifiedSince: null, ...war };
  const since = agenda.unverifiedSince ?? now;
  const readAt = Math.min(now + options.verify, since + options.verifyLatest);
  return { readAt, unverifiedSince: result.kind === "read" ? now : since, ...war };
}

/** A busy hour of an administrator costs a second or two this way, a real fight soon costs nothing. */
function truce(fights: number, { verify, resync }: ReconcileOptions): number {
  return Math.min(verify * 2 ** (fights - FIGHT_LIMIT + 1), resync);
}

type War = Pick<Agenda, "fights" | "repaired">;

/** Somebody who changes one thing after the other is an administrator at work; who changes one again and again is not. */
function warAfter({ fights, repaired }: Agenda, result: PassResult): War {
  if (result.kind === "delta") return { fights, repaired };
  if (!result.repair || result.ops.length === 0 || result.failures.length > 0)
    return { fights: 0, repaired: new Set() };
  const keys = result.ops.map(({ object }) => keyOf(object));
  const isAgain = keys.some((key) => repaired.has(key));
  return { fights: isAgain ? fights + 1 : fights, repaired: new Set([...repaired, ...keys]) };
}
