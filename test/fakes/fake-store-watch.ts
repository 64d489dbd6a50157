// What whoever watches the fake lease store is told.

import { millis } from "../../src/base/brand.ts";
import { createDoorbell, waitAtMost } from "../../src/base/doorbell.ts";
import type { Revision, SubnetKey } from "../../src/subnet/lease.ts";
import type { LeaseChange, StoreEvent } from "../../src/subnet/lease-store.ts";
import { decode, expireDue, listOf, type State, type Transaction, type Watcher } from "./fake-store-state.ts";

export function cutWatchers({ watchers }: State): void {
  for (const watcher of watchers) {
    watcher.queue = null;
    watcher.bell.ring("cut");
  }
}

export async function* watch(state: State, from: number, signal: AbortSignal): AsyncGenerator<StoreEvent> {
  state.calls.push("watch");
  const { identity } = state;
  const watcher: Watcher = { bell: createDoorbell(), queue: null, connected: true, position: from, identity };
  state.watchers.add(watcher);
  try {
    while (!signal.aborted) {
      expireDue(state);
      if (state.outage !== null) yield* loseConnection(watcher, state.outage);
      else if (watcher.queue === null) yield* connect(state, watcher);
      yield* deliver(watcher);
      await nextNews(state, watcher, signal);
    }
  } finally {
    state.watchers.delete(watcher);
  }
}

function* loseConnection(watcher: Watcher, reason: string): Generator<StoreEvent> {
  if (watcher.connected) yield { kind: "disconnected", reason };
  watcher.connected = false;
}

/** etcd: from the revision that it was compacted to, the history can still be had. */
function* connect(state: State, watcher: Watcher): Generator<StoreEvent> {
  if (!watcher.connected) yield { kind: "connected" };
  watcher.connected = true;
  const { position, identity } = watcher;
  watcher.identity = state.identity;
  if (position + 1 >= state.compacted && position <= state.revision && identity === state.identity) {
    watcher.queue = state.history.filter(({ revision }) => revision > position);
    return;
  }
  watcher.queue = [];
  watcher.position = state.revision;
  yield { kind: "reset", list: listOf(state) };
}

function* deliver(watcher: Watcher): Generator<StoreEvent> {
  for (let next = watcher.queue?.shift(); next; next = watcher.queue?.shift()) {
    yield eventOf(next);
    watcher.position = next.revision;
  }
}

/** Waits until something is written, the connection changes, or an etcd lease expires. */
async function nextNews(state: State, { bell }: Watcher, signal: AbortSignal): Promise<void> {
  const ends = [...state.leases.values()];
  const waiting =
    ends.length === 0
      ? bell.wait(signal)
      : waitAtMost(millis(Math.max(0, Math.min(...ends) - state.clock.now())), bell, state.clock, signal);
  await waiting.catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

function eventOf({ revision, changes }: Transaction): StoreEvent {
  return {
    kind: "changes",
    revision: String(revision) as Revision,
    changes: [...changes].map(([key, entry]): LeaseChange => {
      if (entry === null) return { kind: "removed", key: key as SubnetKey };
      const record = decode(key, entry);
      return record.kind === "lease" ? { kind: "put", lease: record.lease } : record;
    }),
  };
}
