// Remembers what this host has, so that it comes up without etcd: keeps the file up to date while the daemon runs, and
// says at a start whether it is of use. A lease that another host has is forgotten.

import { createHash } from "node:crypto";
import { seconds } from "./base/brand.ts";
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
  /** At once: another host has what is remembered. Resolves when it is done, or has failed and been told. */
  forget(): Promise<void>;
  /**
   * Writes what `current` says at the first touch, so that a host that is switched off the next moment has its subnet,
   * and then after every touch, but not more often than every 30 s; null is to be forgotten.
   */
  run(current: () => Omit<Remembered, "prefix" | "writtenAt"> | null, signal: AbortSignal): Promise<void>;
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
  let writing: Promise<void> = Promise.resolve();
  /** The last that was to be written was nothing, and has not failed. */
  let isForgotten = false;
  // One after another: what is forgotten must not be put back by a write that was on its way.
  const write = (text: string): Promise<void> => {
    // A host without its subnet is told to forget by every event of the store.
    if (text === "" && isForgotten) return writing;
    isForgotten = text === "";
    writing = writing.then(async () => {
      try {
        await state.write(name, text);
        complaint.settle();
      } catch (error) {
        isForgotten = false;
        complaint.raise(messageOf(error), { path });
        bell.ring("not written");
      }
    });
    return writing;
  };
  return {
    touch: () => bell.ring("changed"),
    forget: () => write(""),
    recall: () => read({ state, log }, name, prefix),
    async run(current, signal) {
      const writeCurrent = () => {
        bell.silence();
        const now = current();
        return write(now === null ? "" : encodeRemembered({ prefix, writtenAt: clock.now(), ...now }));
      };
      await bell.wait(signal);
      await writeCurrent();
      for (;;) {
        await bell.wait(signal);
        await clock.sleep(SETTLE, signal);
        await writeCurrent();
        await clock.sleep(PAUSE, signal);
      }
    },
  };
}

async function read({ state, log }: Pick<MemoryDeps, "state" | "log">, name: string, prefix: string) {
  const useless = (reason: string) => {
    log.warn("what was remembered of the last run is of no use", { path: `${state.path}/${name}`, reason });
    return null;
  };
  try {
    const text = await state.read(name);
    if (!text) return null;
    const found = decodeRemembered(text, prefix);
    return found.kind === "found" ? found.remembered : useless(found.reason);
  } catch (error) {
    return useless(messageOf(error));
  }
}

/** For people to find, and different for different prefixes. */
function fileNameOf(prefix: string): string {
  const words = prefix.replaceAll(/[^0-9A-Za-z.]+/g, "-").replaceAll(/^-|-$/g, "");
  const hash = createHash("sha256").update(prefix).digest("hex").slice(0, 8);
  return `${words.slice(-60)}-${hash}.lease`;
}
