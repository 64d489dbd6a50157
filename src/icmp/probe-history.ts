// What probes have found out about one way to a peer: a fold of their outcomes. Pure.

import type { Millis } from "../base/brand.ts";
import type { Ip } from "../base/ip.ts";
import type { PathMtu } from "./path-mtu.ts";
import type { PeerWay } from "./peer-report.ts";
import { type PingOutcome, refusalOf } from "./pinger.ts";

export interface WayHistory {
  readonly over: "underlay" | "overlay";
  readonly to: Ip;
  /** Of the last probes, the newest last; null is one without an answer. */
  readonly recent: readonly (Millis | null)[];
  /** How many in a row were not answered. */
  readonly unanswered: number;
  /** What was said last instead of an answer. */
  readonly reason: string | null;
  /** It was this host that said so: it has not sent. */
  readonly isUnsent: boolean;
  /** What the device sends when the path was last measured; null before. */
  readonly most: number | null;
  readonly path: PathMtu | null;
}

const WINDOW = 20;
/** One or two packets are lost by chance. */
const DEAD_AFTER = 3;
/** Below this share, loss is what happens. */
const TOLERATED_LOSS = 0.2;
const FEWEST_FOR_LOSS = 10;

export function startHistory({ over, ip }: { readonly over: WayHistory["over"]; readonly ip: Ip }): WayHistory {
  return { over, to: ip, recent: [], unanswered: 0, reason: null, isUnsent: false, most: null, path: null };
}

export function withOutcome(history: WayHistory, outcome: PingOutcome): WayHistory {
  const rtt = outcome.kind === "reply" ? outcome.rtt : null;
  // What was lost while nobody was there is no loss of the way as it is now.
  const isBack = rtt !== null && history.unanswered >= DEAD_AFTER;
  const recent = isBack ? [rtt] : [...history.recent, rtt].slice(-WINDOW);
  if (rtt !== null) return { ...history, recent, unanswered: 0, reason: null, isUnsent: false };
  const next = { ...history, recent, unanswered: history.unanswered + 1 };
  const reason = refusalOf(outcome);
  return reason === null ? next : { ...next, reason, isUnsent: outcome.kind === "unsent" };
}

export function withPath(history: WayHistory, most: number, path: PathMtu): WayHistory {
  return { ...history, most, path };
}

export interface WayFigures {
  /** The last that came back, also if it is a while ago; null when none has. */
  readonly rtt: Millis | null;
  /** Share of the last probes, 0 to 1. */
  readonly loss: number;
  readonly pathMtu: number | null;
  readonly isAnswering: boolean;
}

export function figuresOf({ recent, unanswered, path }: WayHistory): WayFigures {
  const lost = recent.filter((rtt) => rtt === null).length;
  return {
    rtt: recent.findLast((rtt) => rtt !== null) ?? null,
    loss: recent.length === 0 ? 0 : lost / recent.length,
    pathMtu: path?.mtu ?? null,
    isAnswering: unanswered < DEAD_AFTER,
  };
}

/** As a verdict is made of it: a few lost packets are none, and many in a row are all of them. */
export function judgedWay(history: WayHistory): PeerWay {
  const { over, to, most, reason, isUnsent, path, recent, unanswered } = history;
  const { rtt, loss } = figuresOf(history);
  const way = { over, to, most, rtt, reason, isUnsent, path };
  if (unanswered >= DEAD_AFTER) return { ...way, sent: unanswered, received: 0 };
  const sent = Math.max(recent.length, 1);
  const isLossy = recent.length >= FEWEST_FOR_LOSS && loss >= TOLERATED_LOSS;
  return { ...way, sent, received: isLossy ? recent.filter((one) => one !== null).length : sent };
}
