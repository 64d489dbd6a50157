// What systemd is told (sd_notify(3)). It may not read just now, when it is frozen or loads its units again: nothing waits
// for it, and it is told the newest of each kind once it reads.

import { type Millis, seconds } from "./base/brand.ts";
import type { Clock } from "./base/clock.ts";
import { createComplaint } from "./base/complaint.ts";
import { messageOf } from "./base/errors.ts";
import type { Logger } from "./base/log.ts";

export interface NotifierDeps {
  /** Throws with the code EAGAIN when systemd has not read what it was sent. */
  readonly send: (state: string) => void;
  /** In real time; keeps no process alive. */
  readonly startTimer: (duration: Millis, ring: () => void) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How often what it has not taken is tried again. */
const RETRY_INTERVAL = seconds(1);

/** For one assignment at a time. */
export function createNotifier({ send, startTimer, clock, log }: NotifierDeps): (state: string) => void {
  const complaint = createComplaint(
    { raised: "cannot notify systemd", settled: "systemd is notified again" },
    { clock, log },
  );
  /** By the variable's name. */
  const waiting = new Map<string, string>();
  let isTimed = false;
  const retry = () => {
    isTimed = false;
    const reason = tryAll();
    if (reason !== null) complaint.raise(reason);
  };
  /** Null when there is nothing to say against systemd. */
  const tryAll = (): string | null => {
    for (const [name, state] of waiting) {
      try {
        send(state);
      } catch (error) {
        const isFull = (error as NodeJS.ErrnoException).code === "EAGAIN";
        if (!isFull) {
          waiting.clear();
          return messageOf(error);
        }
        if (!isTimed) startTimer(RETRY_INTERVAL, retry);
        isTimed = true;
        return "it does not read what it was told before";
      }
      waiting.delete(name);
    }
    complaint.settle();
    return null;
  };
  return (state) => {
    const [name = ""] = state.split("=", 1);
    waiting.set(name, state);
    // A queue that is full for a moment is nothing to tell.
    const reason = tryAll();
    if (reason !== null && !isTimed) complaint.raise(reason);
  };
}
