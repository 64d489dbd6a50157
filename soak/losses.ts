// Whose fault a lost packet is. Pure.

import type { Heard, LostPacket } from "../lab/echo-stream.ts";
import { type EpochMillis, type Millis, millis } from "../src/base/brand.ts";
import type { Fault } from "./fault.ts";

/** The pings of one pair since the last judgement. */
export interface PairHeard {
  /** "h1-h2" */
  readonly pair: string;
  /** Between the pods. */
  readonly overlay: Heard;
  /** Between the hosts. */
  readonly underlay: Heard;
}

/** When a fault began to be injected, was there, began to be undone, and was gone. */
export interface Timeline {
  readonly began: EpochMillis;
  readonly injected: EpochMillis;
  readonly undoing: EpochMillis;
  readonly undone: EpochMillis;
}

/** Packets that were sent between `from` and `until` may be lost. */
interface Span {
  readonly from: EpochMillis;
  /** From here on flanneld can do something about it. */
  readonly event: EpochMillis;
  readonly until: EpochMillis;
}

export interface Excuse {
  /** Of whose pairs packets may be lost. */
  readonly host: string;
  /** None where no packet may be lost. */
  readonly spans: readonly Span[];
  /** The underlay of the host's pairs is meant to lose them, too, and is no witness then. */
  readonly cutsUnderlay: boolean;
  /** And no overlay can carry a packet before the underlay does. */
  readonly waitsForUnderlay: boolean;
}

export interface LostInPair extends LostPacket {
  readonly pair: string;
}

export interface Judgement {
  readonly sent: number;
  readonly lost: number;
  /** Of the lost ones, those that the underlay lost with them: the machine was too busy. */
  readonly shared: number;
  /** Of the lost ones, those that the fault may cost. */
  readonly excused: number;
  /**
   * How long after the event, which is the fault's beginning or its end, or the return of the underlay, the last of those
   * was sent.
   */
  readonly outage: Millis;
  /** The others: nothing but the overlay explains them. */
  readonly unexplained: readonly LostInPair[];
  readonly underlay: { readonly sent: number; readonly lost: number };
}

/** How far apart in time losses of the overlay and of the underlay may be and still have one cause. */
const SAME_MOMENT = millis(100);

/** Queues of the kernel overflow for all pairs at once, so the underlay of any pair is a witness. */
export function judgeLosses(pairs: readonly PairHeard[], excuse: Excuse): Judgement {
  const lost = pairs.flatMap(({ pair, overlay }) => overlay.lost.map((packet) => ({ ...packet, pair })));
  const underlay = pairs.flatMap((heard) => heard.underlay.lost.map((packet) => ({ ...packet, pair: heard.pair })));
  const witnesses = underlay.filter((packet) => !excuse.cutsUnderlay || spanOf(packet, excuse) === null);
  const isShared = ({ sentAt }: LostPacket) => witnesses.some((one) => Math.abs(one.sentAt - sentAt) <= SAME_MOMENT);
  const notExcused = lost.filter((packet) => spanOf(packet, excuse) === null);
  const unexplained = notExcused.filter((packet) => !isShared(packet));
  return {
    sent: sum(pairs.map(({ overlay }) => overlay.sent)),
    lost: lost.length,
    shared: notExcused.length - unexplained.length,
    excused: lost.length - notExcused.length,
    outage: longestOutage(lost, underlay, excuse),
    unexplained,
    underlay: { sent: sum(pairs.map(({ underlay }) => underlay.sent)), lost: underlay.length },
  };
}

/** The last one that it is in; null when it is in none. */
function spanOf({ pair, sentAt }: LostInPair, { host, spans }: Excuse): Span | null {
  if (!pair.split("-").includes(host)) return null;
  return spans.findLast(({ from, until }) => sentAt >= from && sentAt <= until) ?? null;
}

function longestOutage(overlay: readonly LostInPair[], underlay: readonly LostInPair[], excuse: Excuse): Millis {
  const outages = excuse.spans.flatMap((span) => {
    const lastOf = (lost: readonly LostInPair[], pair: string) => {
      const own = lost.filter((packet) => packet.pair === pair && spanOf(packet, excuse) === span);
      return own.reduce((last, { sentAt }) => Math.max(last, sentAt), 0);
    };
    return [...new Set(overlay.map(({ pair }) => pair))].map((pair) => {
      const back = excuse.waitsForUnderlay ? lastOf(underlay, pair) : 0;
      return lastOf(overlay, pair) - Math.max(span.event, back);
    });
  });
  return millis(Math.max(0, ...outages));
}

/** "h1-h2: 12 packets, numbers 501 to 533, sent 1.204 to 1.268 s after the fault began", one line a pair. */
export function describeLosses(lost: readonly LostInPair[], began: EpochMillis): readonly string[] {
  return [...new Set(lost.map(({ pair }) => pair))].map((pair) => {
    const own = lost.filter((packet) => packet.pair === pair);
    const numbers = own.map(({ number }) => number);
    const times = own.map(({ sentAt }) => sentAt - began);
    const span = `${secondsOf(Math.min(...times))} to ${secondsOf(Math.max(...times))} s after the fault began`;
    return `${pair}: ${own.length} packets, numbers ${Math.min(...numbers)} to ${Math.max(...numbers)}, sent ${span}`;
  });
}

function secondsOf(duration: number): string {
  return (duration / 1000).toFixed(3);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** What was sent just before, a machine that is busy may not have carried yet. */
const UNDER_WAY = millis(100);

/** What a fault may cost the host that it hits. */
export function excuseOf(
  { kind, mayLose, mendedMeanwhile }: Pick<Fault, "kind" | "mayLose" | "mendedMeanwhile">,
  backend: string,
  host: string,
  { began, injected, undoing, undone }: Timeline,
): Excuse {
  const after = mayLose(backend);
  const cutsUnderlay = kind === "underlay";
  const common = { host, cutsUnderlay, waitsForUnderlay: cutsUnderlay && !mendedMeanwhile };
  if (after === null) return { ...common, spans: [] };
  const span = (from: EpochMillis, event: EpochMillis, to: EpochMillis): Span => {
    return { from: (from - UNDER_WAY) as EpochMillis, event, until: (to + after) as EpochMillis };
  };
  const spans = mendedMeanwhile
    ? [span(began, began, injected), span(undoing, undoing, undone)]
    : [span(began, undone, undone)];
  return { ...common, spans };
}
