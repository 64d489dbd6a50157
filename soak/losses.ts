// Whose fault a lost packet is. Pure.

import type { Heard, LostPacket } from "../lab/echo-stream.ts";
import { type EpochMillis, type Millis, millis } from "../src/base/brand.ts";

/** The pings of one pair since the last judgement. */
export interface PairHeard {
  /** "h1-h2" */
  readonly pair: string;
  /** Between the pods. */
  readonly overlay: Heard;
  /** Between the hosts. */
  readonly underlay: Heard;
}

/** Packets that were sent between these moments may be lost. */
export interface Excuse {
  readonly from: EpochMillis;
  readonly until: EpochMillis;
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
  /** The others: nothing but the overlay explains them. */
  readonly unexplained: readonly LostInPair[];
  readonly underlay: { readonly sent: number; readonly lost: number };
}

/** How far apart in time losses of the overlay and of the underlay may be and still have one cause. */
const SAME_MOMENT = millis(100);

/** Queues of the kernel overflow for all pairs at once, so the underlay of any pair is a witness. */
export function judgeLosses(pairs: readonly PairHeard[], excuse: Excuse | null): Judgement {
  const lost = pairs.flatMap(({ pair, overlay }) => overlay.lost.map((packet) => ({ ...packet, pair })));
  const moments = pairs.flatMap(({ underlay }) => underlay.lost.map(({ sentAt }) => sentAt));
  const isShared = ({ sentAt }: LostPacket) => moments.some((moment) => Math.abs(moment - sentAt) <= SAME_MOMENT);
  const isExcused = ({ sentAt }: LostPacket) => excuse !== null && sentAt >= excuse.from && sentAt <= excuse.until;
  const notExcused = lost.filter((packet) => !isExcused(packet));
  const unexplained = notExcused.filter((packet) => !isShared(packet));
  return {
    sent: sum(pairs.map(({ overlay }) => overlay.sent)),
    lost: lost.length,
    shared: notExcused.length - unexplained.length,
    excused: lost.length - notExcused.length,
    unexplained,
    underlay: { sent: sum(pairs.map(({ underlay }) => underlay.sent)), lost: moments.length },
  };
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

/** What a fault may cost, as a span: from its beginning until `mayLose` after it was undone; null for nothing. */
export function excuseOf(mayLose: Millis | null, began: EpochMillis, undone: EpochMillis): Excuse | null {
  return mayLose === null ? null : { from: began, until: (undone + mayLose) as EpochMillis };
}
