// One way to a peer, looked at once: whether it answers, how fast, and how large a packet it carries.

import { type Millis, millis, seconds } from "../base/brand.ts";
import type { Ip } from "../base/ip.ts";
import { findPathMtu, type PathMtu, patienceFor } from "./path-mtu.ts";
import { type Pinger, type PingOutcome, refusalOf, SMALL_PACKET } from "./pinger.ts";

export interface Way {
  readonly to: Ip;
  /** MTU of the device that packets leave by; null when it is not known, and no path MTU is looked for. */
  readonly most: number | null;
}

export interface WayReport extends Way {
  readonly sent: number;
  readonly received: number;
  /** The median; null when nothing came back. */
  readonly rtt: Millis | null;
  /** Why nothing came back, as far as somebody said; null when nobody did. */
  readonly reason: string | null;
  /** It was this host that said so: it has not sent. */
  readonly isUnsent: boolean;
  readonly path: PathMtu | null;
}

export interface LookOptions {
  /** Small packets, one after the other. */
  readonly count: number;
  /** For each answer. */
  readonly limit: Millis;
}

export const PING_LIMIT = seconds(1);

export async function lookAtWay(
  way: Way,
  { count, limit }: LookOptions,
  pinger: Pinger,
  signal: AbortSignal,
): Promise<WayReport> {
  const outcomes: PingOutcome[] = [];
  for (let sent = 0; sent < count; sent++) outcomes.push(await pinger.ping(way.to, SMALL_PACKET, limit, signal));
  const times = outcomes.flatMap((outcome) => (outcome.kind === "reply" ? [outcome.rtt] : []));
  const rtt = medianOf(times);
  const refusal = outcomes.findLast((outcome) => refusalOf(outcome) !== null);
  const report = {
    ...way,
    sent: count,
    received: times.length,
    rtt,
    reason: refusal ? refusalOf(refusal) : null,
    isUnsent: refusal?.kind === "unsent",
  };
  if (rtt === null || way.most === null) return { ...report, path: null };
  const patience = patienceFor(millis(Math.max(...times)), limit);
  const range = { works: SMALL_PACKET, most: way.most };
  return { ...report, path: await findPathMtu(range, (size) => pinger.ping(way.to, size, patience, signal)) };
}

function medianOf(times: readonly Millis[]): Millis | null {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? null;
}
