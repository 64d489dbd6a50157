// Follows all leases: a watch from the first list on, and a census at an interval, because a watch can lose an event
// without anybody noticing. Where the census and the table differ, everything is listed again. The table it keeps is
// the whole truth as far as this host knows it. It may begin with what was remembered from an earlier run; that is
// incomplete until etcd has answered.

import { delays, drawPause } from "../base/backoff.ts";
import { type Millis, millis } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { createComplaint } from "../base/complaint.ts";
import { isRetryable } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { runTasks } from "../base/tasks.ts";
import type { Acquired } from "./acquire-lease.ts";
import { AWAY, unlessAway } from "./away.ts";
import type { Lease, Revision } from "./lease.ts";
import type { LeaseChange, LeaseList, LeaseStore, StoreEvent } from "./lease-store.ts";
import { EMPTY_TABLE, foldTable, type LeaseTable } from "./lease-table.ts";

export interface LeaseFollower {
  table(): LeaseTable;
  /** Why the table may be old, as a phrase; null while the store is connected. */
  trouble(): string | null;
  counts(): FollowCounts;
  run(signal: AbortSignal): Promise<void>;
}

/** Since the start. */
export interface FollowCounts {
  /** The connection was lost; it was had again. */
  readonly losses: number;
  readonly restarts: number;
  /** Full lists that took the place of the table: the history was gone, or the census had found a gap. */
  readonly resyncs: { readonly history: number; readonly census: number };
}

export interface FollowDeps {
  readonly store: LeaseStore;
  /** Our own record as we hold it, which is right also when the watch has told nothing of it; null when another has it. */
  readonly self: () => Lease | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The table has changed, by this event. Called for every response of the store: must cost nothing. */
  readonly onChange: (event: StoreEvent) => void;
  /** The store has answered again after it had been away. */
  readonly onConnected: () => void;
}

export function createLeaseFollower(
  first: Pick<Acquired, "list" | "fresh">,
  options: { readonly recount: Millis },
  deps: FollowDeps,
): LeaseFollower {
  const book = createLeaseBook(first);
  const contact = createContact(first.fresh, deps);
  const resyncs = { first: 0, history: 0, census: 0 };
  const take = (event: StoreEvent, source: keyof typeof resyncs = "history") => {
    if (!book.enter(event)) return;
    if (event.kind === "reset") resyncs[source] += 1;
    deps.onChange(event);
  };
  const watch = async (signal: AbortSignal) => {
    if (!first.fresh) take({ kind: "reset", list: await listAtLast(contact.lose, deps, signal) }, "first");
    if (!first.fresh) contact.regain();
    for await (const event of deps.store.watch(book.table().revision, signal)) {
      if (event.kind === "disconnected") contact.lose(event.reason);
      else if (event.kind === "connected") contact.regain();
      else take(event);
    }
  };
  const takeCensus = (event: StoreEvent) => take(event, "census");
  const recount = async (signal: AbortSignal) => {
    let checked = first.list.revision;
    for (;;) {
      await deps.clock.sleep(drawPause(options.recount, deps.random), signal);
      const found = await unlessAway(() => findMissed(checked, book.table, deps, signal));
      if (found === AWAY) continue;
      // What the watch has overtaken was not taken, so what it had missed is still to be found.
      if (found.list && !takeList(found.list, book.table(), deps.log, takeCensus)) continue;
      checked = found.revision;
    }
  };
  return {
    table: book.table,
    trouble: contact.trouble,
    counts: () => ({ ...contact.counts(), resyncs: { history: resyncs.history, census: resyncs.census } }),
    run: (signal) => runTasks({ watch, recount }, signal),
  };
}

/** Whether the store answers, and what is told of that. */
function createContact(fresh: boolean, deps: FollowDeps) {
  const complaint = createComplaint(
    { raised: "lost the connection to etcd", settled: "connected to etcd again" },
    deps,
  );
  let trouble = fresh ? null : "it has not answered since the start";
  let [losses, restarts] = [0, 0];
  return {
    trouble: (): string | null => trouble,
    counts: () => ({ losses, restarts }),
    lose(reason: string) {
      if (trouble === null) losses += 1;
      trouble = reason;
      complaint.raise(reason);
    },
    regain() {
      if (trouble !== null) restarts += 1;
      trouble = null;
      complaint.settle();
      deps.onConnected();
    },
  };
}

/** Waits for as long as it takes. */
async function listAtLast(
  lose: (reason: string) => void,
  { store, clock, random }: FollowDeps,
  signal: AbortSignal,
): Promise<LeaseList> {
  for (const delay of delays({ first: millis(250), max: millis(5000), random })) {
    try {
      return await store.list(signal);
    } catch (error) {
      if (!isRetryable(error)) throw error;
      lose(error.message);
    }
    await clock.sleep(delay, signal);
  }
  throw new Error("unreachable: delays() never ends");
}

/**
 * The table and what is to be folded into it. A burst of a thousand leases comes as hundreds of events; they are folded
 * together when somebody looks, because each fold copies the table.
 */
function createLeaseBook({ list, fresh }: Pick<Acquired, "list" | "fresh">) {
  // Invariant: I2, what is remembered is no finished list.
  let table: LeaseTable = { ...foldTable(EMPTY_TABLE, { kind: "reset", list }), complete: fresh };
  let revision = table.revision;
  let entered: LeaseChange[] = [];
  const folded = (): LeaseTable => {
    if (entered.length > 0) table = foldTable(table, { kind: "changes", revision, changes: entered });
    entered = [];
    return table;
  };
  return {
    table: folded,
    /** False for what a full list has shown already: applying it again would show the past for a moment. */
    enter(event: StoreEvent): boolean {
      if (event.kind === "changes" && BigInt(event.revision) > BigInt(revision)) {
        entered.push(...event.changes);
        revision = event.revision;
        return true;
      }
      if (event.kind !== "reset") return false;
      table = foldTable(folded(), event);
      revision = table.revision;
      return true;
    },
  };
}

/** Up to which revision the table is checked, and a full list if it lacks a record or has one that is gone. */
interface Check {
  readonly revision: Revision;
  readonly list: LeaseList | null;
}

async function findMissed(
  checked: Revision,
  table: () => LeaseTable,
  { store, self }: FollowDeps,
  signal: AbortSignal,
): Promise<Check> {
  const { count, newer, revision } = await store.census(checked, signal);
  const { bad } = table();
  const own = self();
  const leases = own ? new Map(table().leases).set(own.key, own) : table().leases;
  const known = newer.every(
    ({ key, modRevision }) => leases.get(key)?.version.modRevision === modRevision || bad.has(key),
  );
  if (known && count === leases.size + bad.size) return { revision, list: null };
  const list = await store.list(signal);
  return { revision: list.revision, list };
}

function takeList(list: LeaseList, table: LeaseTable, log: Logger, take: (event: StoreEvent) => void): boolean {
  // The watch may have run ahead of the list while it was on its way.
  if (BigInt(list.revision) < BigInt(table.revision)) return false;
  const missed = countMissed(list, table);
  if (missed > 0)
    log.warn("the watch had missed changes; the full list has them", { count: missed, rev: list.revision });
  take({ kind: "reset", list });
  return true;
}

/** Records that were written at a revision which the watch has passed, and that the table does not have. */
function countMissed(list: LeaseList, table: LeaseTable): number {
  const passed = BigInt(table.revision);
  return list.leases.filter(
    ({ key, version }) =>
      BigInt(version.modRevision) <= passed && table.leases.get(key)?.version.modRevision !== version.modRevision,
  ).length;
}
