// A watch that lasts: it resumes where it was, takes a fresh list when the history it missed is gone or the store is
// another one, and says when the connection is lost and back.

import { delays } from "../base/backoff.ts";
import { type Millis, millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Revision } from "../subnet/lease.ts";
import type { LeaseChange, LeaseList, StoreEvent } from "../subnet/lease-store.ts";
import { type KeyLayout, prefixEnd, readRecord, relativeKey } from "./records.ts";
import type { EtcdTransport, IWatchResponse } from "./transport.ts";

export interface WatchDeps {
  readonly transport: EtcdTransport;
  readonly list: (signal: AbortSignal) => Promise<LeaseList>;
  readonly clock: Clock;
  readonly random: Random;
}

const RETRY_FIRST = millis(100);
const RETRY_MAX = millis(5000);

/** Everything after `from`, until the signal aborts. */
export async function* watchLeases(
  from: Revision,
  layout: KeyLayout,
  deps: WatchDeps,
  signal: AbortSignal,
): AsyncGenerator<StoreEvent> {
  const position: Position = { next: BigInt(from) + 1n, cluster: null };
  const link = createLink(deps);
  while (!signal.aborted) {
    try {
      for await (const event of watchFrom(position, layout, deps, signal)) {
        if (event.kind !== "connected" || link.restored()) yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (link.lost()) yield { kind: "disconnected", reason: messageOf(error) };
      await link.pause(signal);
    }
  }
}

/** Turns attempts into transitions, and waits longer after each attempt that follows another. */
function createLink({ clock, random }: WatchDeps) {
  let retries: Generator<Millis, never> | null = null;
  return {
    /** True the first time. */
    lost(): boolean {
      if (retries !== null) return false;
      retries = delays({ first: RETRY_FIRST, max: RETRY_MAX, random });
      return true;
    },
    /** True if it had been lost. */
    restored(): boolean {
      const wasLost = retries !== null;
      retries = null;
      return wasLost;
    },
    async pause(signal: AbortSignal): Promise<void> {
      const delay = retries?.next().value ?? RETRY_FIRST;
      // An abort ends the wait; the loop sees it.
      await clock.sleep(delay, signal).catch(() => {});
    },
  };
}

/** Where the watch is; moves only past what has been delivered. */
interface Position {
  next: bigint;
  cluster: string | null;
}

/** One stream, from a look at the store to its end. Returns when the watch has to begin anew at another position. */
async function* watchFrom(
  position: Position,
  layout: KeyLayout,
  deps: WatchDeps,
  signal: AbortSignal,
): AsyncGenerator<StoreEvent> {
  const key = Buffer.from(layout.subnets);
  const rangeEnd = prefixEnd(layout.subnets);
  // A stream does not renew an expired auth token, this call does. It also tells which store it is that answers.
  const { header } = await deps.transport.range({ key, range_end: rangeEnd, count_only: true }, signal);
  const isOther = position.cluster !== null && position.cluster !== header.cluster_id;
  position.cluster = header.cluster_id;
  if (isOther || BigInt(header.revision) < position.next - 1n) yield await freshList(position, deps, signal);

  for await (const response of deps.transport.watch({ key, rangeEnd, startRevision: position.next }, signal)) {
    if (response.canceled) {
      if (response.compact_revision === "0") throw new Error(`the watch was cancelled: ${response.cancel_reason}`);
      yield await freshList(position, deps, signal);
      return;
    }
    if (response.created) yield { kind: "connected" };
    yield* deliver(response, position, layout);
  }
}

async function freshList(position: Position, { list }: WatchDeps, signal: AbortSignal): Promise<StoreEvent> {
  const fresh = await list(signal);
  position.next = BigInt(fresh.revision) + 1n;
  return { kind: "reset", list: fresh };
}

/**
 * etcd: a watcher that catches up gets its history in parts, each under the store's current revision. What has been
 * delivered is therefore told by the last event; the header tells it only in a progress notification, which has none.
 */
function* deliver(response: IWatchResponse, position: Position, layout: KeyLayout): Generator<StoreEvent> {
  const { events, header, created } = response;
  const last = events.at(-1);
  if (!last) {
    if (!created) position.next = max(position.next, BigInt(header.revision) + 1n);
    return;
  }
  const revision = last.kv.mod_revision as Revision;
  yield { kind: "changes", revision, changes: events.map((event) => changeOf(event, layout)) };
  position.next = BigInt(revision) + 1n;
}

function changeOf({ type, kv }: IWatchResponse["events"][number], layout: KeyLayout): LeaseChange {
  if (type === "Delete") return { kind: "removed", key: relativeKey(kv.key, layout) };
  const read = readRecord(kv, layout);
  return read.kind === "lease" ? { kind: "put", lease: read.lease } : read;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
