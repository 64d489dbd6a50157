// Between the leases and whoever plans from them: adds the peers that are kept although their records are gone, says so,
// and wakes the planner when their time is over. Which they are is decided in departed-peers.ts.

import { type Millis, millis, minutes } from "../base/brand.ts";
import type { Clock } from "../base/clock.ts";
import { createDoorbell, TIMER, waitAtMost } from "../base/doorbell.ts";
import type { Logger } from "../base/log.ts";
import {
  countKept,
  type Departed,
  dueAt,
  type KeepingRules,
  keepDeparted,
  nextDue,
  startKeeping,
  tableWithDeparted,
} from "./departed-peers.ts";
import type { SubnetKey } from "./lease.ts";
import type { StoreEvent } from "./lease-store.ts";
import type { LeaseTable } from "./lease-table.ts";

export interface PeerKeeper {
  /** All leases as far as they count: the same object while nothing has changed. */
  table(): LeaseTable;
  /** What the store tells: a record that was removed may be back before anybody looks at the table. */
  observe(event: StoreEvent): void;
  /** Leases that count although they are not in the store as such: why. The same object while nothing has changed. */
  departed(): ReadonlyMap<SubnetKey, Departed>;
  /** How long a peer without a record is still kept; null for as long as its record is unreadable, and of all others. */
  keptFor(key: SubnetKey): Millis | null;
  /** Why there are more peers than records, as a phrase; null when there are not. */
  trouble(): string | null;
  run(signal: AbortSignal): Promise<void>;
}

export interface KeepDeps {
  /** What a run that has just ended knew; null when that is long ago. */
  readonly before: LeaseTable | null;
  /** The leases as the store has them. */
  readonly table: () => LeaseTable;
  readonly clock: Clock;
  readonly log: Logger;
  /** The table is another although the store has told nothing. */
  readonly onChange: () => void;
}

/** Nothing is due: whoever looks at the table rings. */
const LONGEST_WAIT = minutes(60);

export function createPeerKeeper(rules: KeepingRules, deps: KeepDeps): PeerKeeper {
  const { clock, log } = deps;
  const bell = createDoorbell();
  let keeping = startKeeping(deps.before ?? deps.table());
  let effective = tableWithDeparted(keeping);
  let kept = 0;
  let removed: SubnetKey[] = [];
  const look = () => {
    const next = keepDeparted(keeping, deps.table(), clock.boottime(), rules, removed);
    removed = [];
    if (next === keeping) return;
    const keptNow = countKept(next);
    tell(kept, keptNow, rules, log);
    [keeping, kept] = [next, keptNow];
    effective = tableWithDeparted(next);
    bell.ring("another table");
  };
  return {
    table() {
      look();
      return effective;
    },
    departed: () => keeping.departed,
    keptFor(key) {
      const one = keeping.departed.get(key);
      if (!one || one.isUnreadable) return null;
      return millis(Math.max(0, dueAt(one, rules) - clock.boottime()));
    },
    observe(event) {
      if (event.kind !== "changes") return;
      for (const change of event.changes) if (change.kind === "removed") removed.push(change.key);
    },
    trouble() {
      if (kept === 0) return null;
      return kept === 1
        ? "the record of a host has vanished from etcd together with others; it is kept as a peer"
        : `the records of ${kept} hosts have vanished from etcd together; they are kept as peers`;
    },
    async run(signal) {
      for (;;) {
        const due = nextDue(keeping, rules);
        const wait = due === null ? LONGEST_WAIT : millis(Math.max(0, due - clock.boottime()));
        const reasons = await waitAtMost(wait, bell, clock, signal);
        if (!reasons.has(TIMER)) continue;
        look();
        deps.onChange();
      }
    },
  };
}

function tell(before: number, after: number, { grace }: KeepingRules, log: Logger): void {
  if (before === 0 && after > 0) {
    log.warn("records have vanished from etcd together; the routes to their hosts are kept for a while", {
      count: after,
      ms: grace,
    });
  }
  if (before > 0 && after === 0) {
    log.info("the hosts whose records had vanished together are back, or given up");
  }
}
