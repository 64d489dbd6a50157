// A watch on all records that lasts: it resumes behind what it has delivered, takes a fresh list when the history in
// between is gone or the store is another one, and says when the connection is lost and back.

import { addAbortListener } from "node:events";
import type { IEvent, IWatchResponse } from "etcd3";
import { delays } from "../base/backoff.ts";
import { millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { isRetryable } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Revision, SubnetKey } from "../subnet/lease.ts";
import type { LeaseChange, StoreEvent } from "../subnet/lease-store.ts";
import { type Keyspace, readRecord } from "./keyspace.ts";
import type { EtcdTransport, WatchStream } from "./transport.ts";
import {
  isOfAnotherStore,
  isSameStore,
  type ListedStore,
  positionOf,
  questionAbout,
  seenAt,
  type WatchPosition,
  type Witness,
} from "./watch-position.ts";

export interface WatchDeps {
  readonly transport: EtcdTransport;
  readonly keyspace: Keyspace;
  readonly list: (signal: AbortSignal) => Promise<ListedStore>;
  readonly clock: Clock;
  readonly random: Random;
}

const OP = "watching the leases";
const RETRY_FIRST = millis(100);
/** A host is to be back within 5 s of etcd. */
const RETRY_MAX = millis(3000);

/** Everything from the position on, until the signal aborts. */
export async function* watchLeases(
  from: WatchPosition,
  deps: WatchDeps,
  signal: AbortSignal,
): AsyncGenerator<StoreEvent> {
  const pacing = createPacing(deps);
  let position = from;
  let connected = true;
  // The list that the position is of has just found an endpoint that answers, and which store that is.
  let isListed = from.cluster !== null;
  for (;;) {
    pacing.begin();
    try {
      const steps = isListed ? follow(position, deps, signal) : watchOnce(position, deps, signal);
      isListed = false;
      for await (const step of steps) {
        pacing.worked();
        position = yield* deliver(step, connected);
        connected = true;
      }
    } catch (error) {
      if (signal.aborted) return;
      yield lossOf(error);
      connected = false;
      position = { ...position, isDoubted: true };
    }
    await pacing.pause(signal).catch(() => {});
    if (signal.aborted) return;
  }
}

/** The pauses between streams: growing while none works, and short again after one that has lasted. */
function createPacing({ clock, random }: Pick<WatchDeps, "clock" | "random">) {
  const startPauses = () => delays({ first: RETRY_FIRST, max: RETRY_MAX, random });
  let pauses = startPauses();
  let begun = clock.monotonic();
  let hasWorked = false;
  return {
    begin() {
      begun = clock.monotonic();
      hasWorked = false;
    },
    worked() {
      hasWorked = true;
    },
    pause(signal: AbortSignal): Promise<void> {
      const took = clock.monotonic() - begun;
      // A stream that is accepted and lost at once, again and again, must not be tried in a tight loop.
      if (hasWorked && took > RETRY_MAX) pauses = startPauses();
      // Who has waited in vain for an answer has waited.
      return clock.sleep(millis(Math.max(RETRY_FIRST, pauses.next().value - (hasWorked ? 0 : took))), signal);
    },
  };
}

/** Told at every attempt, because the reason may change while it lasts. */
function lossOf(error: unknown): StoreEvent {
  if (!isRetryable(error)) throw error;
  return { kind: "disconnected", reason: error.message };
}

/** What one stream brings: nothing new to tell (it is accepted, or proceeds), or an event; and the position behind it. */
interface Step {
  readonly event: StoreEvent | null;
  readonly position: WatchPosition;
}

/** The position is returned, and so taken, only after the event was taken. */
function* deliver({ event, position }: Step, connected: boolean): Generator<StoreEvent, WatchPosition> {
  if (!connected) yield { kind: "connected" };
  if (event) yield event;
  return position;
}

/** From a look at the store to the end of one stream. */
async function* watchOnce(from: WatchPosition, deps: WatchDeps, signal: AbortSignal): AsyncGenerator<Step> {
  if (await isStillThere(from, deps, signal)) return yield* follow(from, deps, signal);
  const step = await startAfresh(deps, signal);
  yield step;
  yield* follow(step.position, deps, signal);
}

/** One stream to its end: throws when it is lost, returns when the history is gone or is another store's. */
async function* follow(from: WatchPosition, deps: WatchDeps, signal: AbortSignal): AsyncGenerator<Step> {
  const { transport, keyspace } = deps;
  let position = from;
  const range = { key: keyspace.subnets, range_end: keyspace.subnetsEnd };
  const request = { ...range, start_revision: position.next.toString(), progress_notify: true };
  using stream = await transport.openWatch(OP, request, signal);
  for await (const response of responsesUntilAbort(stream, signal)) {
    // etcd: the history before this revision was compacted away, and the watch has been cancelled for it.
    if (response.canceled) return yield await startAfresh(deps, signal);
    if (response.created && isOfAnotherStore(response.header, position)) return yield await startAfresh(deps, signal);
    const step = stepOf(response, position, keyspace);
    position = step.position;
    yield step;
  }
}

async function* responsesUntilAbort(stream: WatchStream, signal: AbortSignal): AsyncGenerator<IWatchResponse> {
  using _ = addAbortListener(signal, () => stream[Symbol.dispose]());
  yield* stream.responses;
}

/**
 * One cheap request before every stream but the first. It finds an endpoint that answers and gets a new token if ours
 * has expired, which a stream does not; and it tells whether the store is still the one that we know.
 */
async function isStillThere(from: WatchPosition, deps: WatchDeps, signal: AbortSignal): Promise<boolean> {
  return isSameStore(from, await deps.transport.range(OP, questionAbout(from, deps.keyspace), signal));
}

async function startAfresh({ list, keyspace }: WatchDeps, signal: AbortSignal): Promise<Step> {
  const fresh = await list(signal);
  return { event: { kind: "reset", list: fresh.list }, position: positionOf(fresh, keyspace) };
}

/**
 * etcd: a watcher that catches up gets its history in parts, each under the store's current revision. How far it has
 * come is therefore told by the last event; the header tells it only in a progress notification, which has none.
 */
function stepOf({ events, header, created }: IWatchResponse, position: WatchPosition, keyspace: Keyspace): Step {
  const last = events.at(-1);
  const known = seenAt(position, header);
  if (last) {
    const revision = last.kv.mod_revision as Revision;
    const changes = events.map((event) => changeOf(event, keyspace));
    const witness: Witness = { key: last.kv.key, kind: last.type === "Delete" ? "removed" : "put", revision };
    const next = BigInt(revision) + 1n;
    return { event: { kind: "changes", revision, changes }, position: { ...known, next, witness } };
  }
  const proceeded = created ? position.next : BigInt(header.revision) + 1n;
  return { event: null, position: { ...known, next: proceeded > position.next ? proceeded : position.next } };
}

function changeOf({ type, kv }: IEvent, keyspace: Keyspace): LeaseChange {
  if (type === "Delete") return { kind: "removed", key: keyspace.relativeKey(kv.key) as SubnetKey };
  const record = readRecord(keyspace, kv);
  return record.kind === "lease" ? { kind: "put", lease: record.lease } : record;
}
