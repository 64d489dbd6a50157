// What is to be written where somebody may not read. The program never waits for him: what he does not take waits here,
// in order and up to a limit; what comes after that is dropped, and counted, until all that waits has gone.

import { type Millis, millis } from "./base/brand.ts";

/** `later`: nobody reads just now. `failed`: as on a full disk. */
export type Delivery = "done" | "later" | "failed";

export interface Parcel {
  /** What it takes of the limit. */
  readonly size: number;
  /** Goes on where it stopped. Never waits, never throws. */
  deliver(): Delivery;
}

export interface Backlog {
  /** Delivered before this returns, unless something waits. */
  add(parcel: Parcel): void;
  /** Delivers what can be. */
  flush(): Delivery;
  /** Since when nobody has read what waits, on the clock of `now`; null when nothing waits for a reader. */
  stalledSince(): number | null;
}

export interface BacklogDeps {
  readonly now: () => number;
  /** In real time; keeps no process alive. */
  readonly startTimer: (duration: Millis, ring: () => void) => void;
  /** Where they are missing; what it adds stands there. */
  readonly onDropped: (count: number) => void;
}

/** How often a reader is looked after who has stopped reading. What fails is tried again with the next parcel alone. */
const LOOK_INTERVAL = millis(100);
/** One who reads again has as much room as the kernel gives him: of the journal's datagrams ten, perhaps. */
const READING_INTERVAL = millis(5);

export function createBacklog(limit: number, { now, startTimer, onDropped }: BacklogDeps): Backlog {
  const waiting: Parcel[] = [];
  let size = 0;
  let dropped = 0;
  let stalledSince: number | null = null;
  const lookAgain = createLook(startTimer, () => flush());
  const deliver = (parcel: Parcel, isReading: boolean): Delivery => {
    const delivery = parcel.deliver();
    if (delivery !== "later") stalledSince = null;
    else {
      stalledSince ??= now();
      lookAgain(isReading ? READING_INTERVAL : LOOK_INTERVAL);
    }
    return delivery;
  };
  const flush = (): Delivery => {
    let isReading = false;
    for (let [parcel] = waiting; parcel; [parcel] = waiting) {
      const delivery = deliver(parcel, isReading);
      if (delivery !== "done") return delivery;
      isReading = true;
      size -= parcel.size;
      waiting.shift();
    }
    const count = dropped;
    dropped = 0;
    if (count > 0) onDropped(count);
    return waiting.length > 0 ? "later" : "done";
  };
  return {
    add(parcel) {
      const isNext = flush() === "done";
      if (isNext && deliver(parcel, false) === "done") return;
      if (!isNext && (dropped > 0 || size + parcel.size > limit)) {
        dropped += 1;
        return;
      }
      waiting.push(parcel);
      size += parcel.size;
    },
    flush,
    stalledSince: () => stalledSince,
  };
}

/** One timer at a time. */
function createLook(startTimer: BacklogDeps["startTimer"], look: () => void): (after: Millis) => void {
  let isDue = false;
  return (after) => {
    if (isDue) return;
    isDue = true;
    startTimer(after, () => {
      isDue = false;
      look();
    });
  };
}
