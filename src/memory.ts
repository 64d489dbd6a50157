// Remembers what this host has, so that it comes up without etcd: keeps the file up to date while the daemon runs, and
// says at a start whether it is of use. A lease that another host has is forgotten.

import { createHash } from "node:crypto";
import { type Millis, seconds } from "./base/brand.ts";
import type { Clock } from "./base/clock.ts";
import { createComplaint } from "./base/complaint.ts";
import { createDoorbell } from "./base/doorbell.ts";
import { messageOf } from "./base/errors.ts";
import type { Logger } from "./base/log.ts";
import type { StateDirectory } from "./state-directory.ts";
import { decodeRemembered, encodeRemembered, type Remembered } from "./subnet/remembered.ts";

export interface MemoryDeps {
  readonly state: StateDirectory;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Memory {
  /** What the last run has left, whole and of this network; null when there is nothing of use. */
  recall(): Promise<Remembered | null>;
  /** There may be something new to remember. */
  touch(): void;
  /** Writes what `current` says after every touch, but not more often than every 30 s; null is to be forgotten. */
  run(current: () => Omit<Remembered, "prefix"> | null, signal: AbortSignal): Promise<void>;
}

/** A burst of changes is one. */
const SETTLE = seconds(2);
const PAUSE = seconds(28);

export function createMemory(prefix: string, deps: MemoryDeps): Memory {
  const { state, clock, log } = deps;
  const bell = createDoorbell();
  const name = fileNameOf(prefix);
  const path = `${state.path}/${name}`;
  const complaint = createComplaint(
    { raised: "cannot remember the lease for the next start", settled: "the lease is remembered again" },
    deps,
  );
  return {
    touch: () => bell.ring("changed"),
    async recall() {
      try {
        const text = await state.read(name);
        if (!text) return null;
        const found = decodeRemembered(text, prefix);
        if (found.kind === "found") return found.remembered;
        log.warn("what was remembered of the last run is of no use", { path, reason: found.reason });
      } catch (error) {
        log.warn("what was remembered of the last run is of no use", { path, reason: messageOf(error) });
      }
      return null;
    },
    async run(current, signal) {
      const pause = (duration: Millis) => clock.sleep(duration, signal);
      for (;;) {
        await bell.wait(signal);
        await pause(SETTLE);
        const now = current();
        try {
          await state.write(name, now === null ? "" : encodeRemembered({ prefix, ...now }));
          complaint.settle();
        } catch (error) {
          complaint.raise(messageOf(error), { path });
          bell.ring("not written");
        }
        await pause(PAUSE);
      }
    },
  };
}

/** For people to find, and different for different prefixes. */
function fileNameOf(prefix: string): string {
  const words = prefix.replaceAll(/[^0-9A-Za-z.]+/g, "-").replaceAll(/^-|-$/g, "");
  const hash = createHash("sha256").update(prefix).digest("hex").slice(0, 8);
  return `${words.slice(-60)}-${hash}.lease`;
}
