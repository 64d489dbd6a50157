// The largest packet that gets through, found by sending ever better guesses. Routers that say what they can pass on end
// the search at once; where packets vanish in silence it is halving that finds the size.

import { type Millis, millis } from "../base/brand.ts";
import type { PingOutcome } from "./pinger.ts";

export interface PathMtu {
  /** In bytes, of the IP packet. */
  readonly mtu: number;
  /** Nobody says so: larger packets vanish, and connections hang instead of sending smaller ones. */
  readonly isSilent: boolean;
}

export interface SizeRange {
  /** Known to get through. */
  readonly works: number;
  /** What the first device on the way carries. */
  readonly most: number;
}

/** A packet that is lost by chance is no proof. */
const TRIES = 2;

/**
 * How often a size is sent again that is said to vanish: a link that loses a third of its packets loses half of the pings,
 * so that one size in four is lost twice.
 */
const PROOFS = 6;

/**
 * Ends after some dozens of packets, also where everything is lost. What vanishes for its size alone is told from what is
 * lost whatever its size.
 */
export async function findPathMtu(
  { works: least, most }: SizeRange,
  send: (size: number) => Promise<PingOutcome>,
): Promise<PathMtu> {
  let works = least;
  for (;;) {
    const found = await search({ works, most }, send);
    if (!found.isSilent || !(await sometimesPasses(found.mtu + 1, send))) return found;
    works = found.mtu + 1;
  }
}

async function sometimesPasses(size: number, send: (size: number) => Promise<PingOutcome>): Promise<boolean> {
  for (let attempt = 0; attempt < PROOFS; attempt++) {
    if ((await send(size)).kind === "reply") return true;
  }
  return false;
}

async function search(
  { works: least, most }: SizeRange,
  send: (size: number) => Promise<PingOutcome>,
): Promise<PathMtu> {
  let [works, fails] = [least, most + 1];
  let isSilent = false;
  let hint: number | null = most;
  while (works + 1 < fails) {
    const size: number = hint ?? works + Math.floor((fails - works) / 2);
    hint = null;
    const outcome = await sendTwice(size, send);
    if (outcome.kind === "reply") {
      works = size;
      continue;
    }
    fails = size;
    isSilent = outcome.kind !== "too-big";
    const said = outcome.kind === "too-big" ? outcome.mtu : null;
    if (said !== null && said >= works && said < fails) {
      fails = said + 1;
      if (said > works) hint = said;
    }
  }
  return { mtu: works, isSilent: isSilent && works < most };
}

async function sendTwice(size: number, send: (size: number) => Promise<PingOutcome>): Promise<PingOutcome> {
  let outcome: PingOutcome = { kind: "silent" };
  for (let attempt = 0; attempt < TRIES && outcome.kind === "silent"; attempt++) outcome = await send(size);
  return outcome;
}

const LEAST_PATIENCE = 300;
const TIMES_RTT = 5;

/** How long an answer is waited for where small packets take `rtt`. */
export function patienceFor(rtt: Millis, limit: Millis): Millis {
  return millis(Math.min(limit, Math.max(LEAST_PATIENCE, rtt * TIMES_RTT)));
}
