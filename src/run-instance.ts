// One run of the daemon, from the lock that there is one of for each network to what it says of its end. All of that is
// under the lock, so that the next start finds what this one has left and takes it back, and never the other way round.

import type { EndNotes } from "./leave-note.ts";

export interface Instance {
  /** Throws `instance.running`. */
  readonly lock: () => Promise<Disposable>;
  /** Until the signal aborts, or something is to be told. */
  readonly run: () => Promise<void>;
  readonly ends: EndNotes;
  /** Tells people of the error; resolves to the exit status. */
  readonly fail: (error: unknown) => Promise<number>;
}

/** Resolves to the exit status of an error; null when it was stopped. */
export async function runInstance(instance: Instance, signal: AbortSignal): Promise<number | null> {
  const { lock, run, ends } = instance;
  try {
    using _lock = await lock();
    await ends.forget();
    try {
      await run();
    } catch (error) {
      if (!signal.aborted) return await end(error, instance);
    }
    // Of others, that meant the same place.
    await ends.forget();
  } catch (error) {
    if (!signal.aborted) return await end(error, instance);
  }
  return null;
}

/** People are told first, so that a full or hanging disk costs no line of the log. */
async function end(error: unknown, { fail, ends }: Instance): Promise<number> {
  const status = await fail(error);
  await ends.leave(error);
  return status;
}
